// Causes of errors in the lab.
import type { ErrorCode } from "../error.ts";
import type { Cause } from "./cause.ts";

export const labCauses: Record<Extract<ErrorCode, `lab.${string}` | `rehearsal.${string}`>, Cause> = {
  "rehearsal.noImage": {
    cause:
      "A rehearsal starts devices of the release that the neighborhood runs, and no unused image of just that release is there.",
    next: "Name the image file from which the devices were made: `--image`; if it is gone, build that version again.",
  },
  "rehearsal.notNewest": {
    cause:
      "The repository has a newer release for the board. Devices take the newest, so the named one would not be rehearsed.",
    next: "Rehearse the newest release.",
  },
  "lab.alreadyRunning": {
    cause: "A lab is running already.",
    next: "See it with `hamlet lab status`, or end it with `hamlet lab down`.",
  },
  "lab.notRunning": { cause: "No lab is running.", next: "Start one: `hamlet lab up --devices 3`." },
  "lab.deviceUnknown": {
    cause: "The lab has no device with that name.",
    next: "See the names with `hamlet lab status`.",
  },
  "lab.deviceExists": {
    cause: "The lab has a device of that name already; its devices have fixed names.",
    next: "Take a name that is free: the message lists them.",
  },
  "lab.bootFailed": {
    cause: "A machine of the lab ended, or did not come up in time.",
    next: "Read what it printed, in the file that the message names.",
  },
  "lab.execFailed": {
    cause: "A program could not be run on a device of the lab, or the connection to it broke.",
    next: "Check that the device is up: `hamlet lab status`.",
  },
  "lab.joinFailed": {
    cause: "A host could not be added to the lab's network.",
    next: "Check that /dev/net/tun exists and that user namespaces are allowed, or run as root.",
  },
  "lab.firmwareRefused": {
    cause: "The emulated Raspberry Pi firmware finds nothing on the card that it can start.",
    next: "Build the image again; the real firmware would refuse it too.",
  },
  "lab.machineRefused": {
    cause: "QEMU did not do what the lab asked of it, often because the machine is off.",
    next: "Start the device: `hamlet lab power <name>`.",
  },
  "lab.stateRefused": {
    cause: "The saved state of a lab is damaged. The devices start from power.",
    next: "Nothing to do: the next state is saved in its place.",
  },
};
