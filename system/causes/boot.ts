// Causes of errors with slots and trials.
import type { ErrorCode } from "../error.ts";
import type { Cause } from "./cause.ts";

export const bootCauses: Record<Extract<ErrorCode, `boot.${string}`>, Cause> = {
  "boot.unsupported": {
    cause: "This computer is not a Hamlet device, or its kernel cannot try a slot.",
    next: "Run the command on a device that was started from a Hamlet image; a Raspberry Pi needs an image of --base nixos.",
  },
  "boot.unclear": {
    cause: "The content of the boot partitions does not match what was started.",
    next: "Write that slot again, or flash the card again; the device keeps running, but accepts no update.",
  },
  "boot.runningSlot": { cause: "The slot that is running cannot be put on trial.", next: "Use the other slot." },
  "boot.trialUnjudged": {
    cause: "The running slot is itself on trial, so no other trial can begin.",
    next: "End it first: `hamlet boot commit`, or `hamlet boot bad --restart`.",
  },
  "boot.versionClash": {
    cause: "The version is in use by the running slot or by another kernel.",
    next: "Give the new build a version of its own.",
  },
  "boot.notNewer": {
    cause: "The boot loader starts the newest version, and this one is older than the running one.",
    next: "Give the new build a higher version.",
  },
  "boot.noGoodEntry": {
    cause: "No boot entry would remain that is known to be good.",
    next: "Commit the running slot first: `hamlet boot commit`.",
  },
  "boot.slotNotReady": {
    cause: "The slot is not completely written.",
    next: "Write the whole slot, then try it again.",
  },
  "boot.noRoom": {
    cause: "The EFI partition has no room for another kernel.",
    next: "Remove files from it that are not Hamlet's.",
  },
  "boot.noTrial": {
    cause: "No slot is on trial, so there is nothing to commit or reject.",
    next: "See what is running: `hamlet boot status`.",
  },
  "boot.nothingBack": {
    cause:
      "The other slot has no earlier release that still starts: it is empty, failed its trial, or was written since.",
    next: "Nothing was changed. See what is running: `hamlet boot status`.",
  },
  "boot.leaving": {
    cause: "The device goes back to its other slot at the next start, so nothing of that slot may change.",
    next: "Restart it.",
  },
  "boot.firmwareTooOld": {
    cause: "The firmware on the board is too old to try a slot.",
    next: "Start Raspberry Pi OS on it once and run `sudo rpi-eeprom-update -a`.",
  },
  "boot.writeFailed": {
    cause: "The boot partition does not keep what is written to it.",
    next: "Restart the device and try again; if it happens again, replace the card or disk.",
  },
};
