// Causes of errors when an image reaches people: published, flashed, installed.
import type { ErrorCode } from "../error.ts";
import type { Cause } from "./cause.ts";

export const mediaCauses: Record<
  Extract<ErrorCode, `publish.${string}` | `flash.${string}` | `install.${string}`>,
  Cause
> = {
  "publish.signFailed": {
    cause: "The list of images could not be signed. What was published before is intact.",
    next: "Make a key with `ssh-keygen -t ed25519` that only you can read.",
  },
  "publish.twoOfOneBoard": {
    cause: "Two images are for the same board.",
    next: "Name the one image that is to be published.",
  },
  "publish.unfinished": {
    cause: "Only some files were replaced when publishing stopped.",
    next: "Run the same command again: it does the rest.",
  },
  "publish.versionTaken": {
    cause: "Another image of the same board and version is published already.",
    next: "Build the image with a new --version, or replace the published one with --replace.",
  },
  "flash.deviceFailed": {
    cause: "The card, disk or reader failed while it was read or written.",
    next: "Try another reader or port, then another card.",
  },
  "flash.empty": {
    cause: "The card reader has no card in it.",
    next: "Insert a card and look again: `hamlet flash --list`.",
  },
  "flash.inUse": {
    cause: "The drive is mounted or used by another program.",
    next: "Unmount it, then run the command again.",
  },
  "flash.lyingSize": {
    cause: "The drive claims more space than it has: it is counterfeit or worn out.",
    next: "Use another drive.",
  },
  "flash.notADrive": {
    cause: "The path is a file, a partition or nothing at all, not a whole drive.",
    next: "See the drives: `hamlet flash --list`.",
  },
  "flash.otherDrive": {
    cause: "Another drive has taken the path since the question was asked.",
    next: "Look again with `hamlet flash --list`, then run the command again.",
  },
  "flash.readOnly": {
    cause: "The drive is write-protected.",
    next: "Move the small switch at the side of the SD card, or use another one.",
  },
  "flash.stopped": {
    cause: "Flashing was stopped, so the card is blank or incomplete.",
    next: "Run the same command again.",
  },
  "flash.systemDisk": {
    cause: "This computer runs from that drive.",
    next: "Name another drive: `hamlet flash --list`.",
  },
  "flash.tooSmall": { cause: "The drive is smaller than the image.", next: "Use a larger card or disk." },
  "flash.unsupported": {
    cause: "Drives are found on Linux only, with a recent lsblk.",
    next: "Write the image with Raspberry Pi Imager, then run `hamlet provision` on the card's first volume.",
  },
  "flash.verifyFailed": {
    cause: "The drive does not return what was written to it.",
    next: "The card is broken or counterfeit: use another one.",
  },
  "install.notADevice": {
    cause: "This computer does not run from a Hamlet disk.",
    next: "Write an image with `hamlet flash`; `hamlet install` is for a device that runs from a stick.",
  },
  "install.unsupported": {
    cause: "The device cannot be moved to another disk: only boards with UEFI can.",
    next: "Flash the other disk instead.",
  },
  "install.noDisk": {
    cause: "No internal disk can take the system, or several can.",
    next: "See the disks with `hamlet install --list` and name one.",
  },
  "install.changed": {
    cause: "The boot partition changed while it was copied.",
    next: "Run `hamlet install` again when the update is over.",
  },
  "install.failed": {
    cause: "The system could not be copied to the internal disk. The device still runs from its stick.",
    next: "Fix what the message names, then run `hamlet install` again.",
  },
  "install.moved": {
    cause: "The device has moved to its internal disk, so this stick no longer has its identity.",
    next: "Remove the stick and start the device again.",
  },
  "install.refused": {
    cause: "The request to install was not accepted: wrong disk, wrong kind of device, or no space for the request.",
    next: "See the disks on the device: `hamlet install --list`.",
  },
  "install.tooMuchState": {
    cause: "The device's state folder contains more than a device stores.",
    next: "Look for foreign files in it and remove them.",
  },
  "install.unclear": {
    cause: "An installation was interrupted, and it is unclear which disk has the device's identity.",
    next: "Remove the stick and start; if no disk starts, follow the steps in the message.",
  },
};
