// Causes of errors with repositories and updates.
import type { ErrorCode } from "../error.ts";
import type { Cause } from "./cause.ts";

export const updateCauses: Record<Extract<ErrorCode, `ota.${string}` | `update.${string}`>, Cause> = {
  "ota.busy": {
    cause: "Another command writes to the repository.",
    next: "Wait until it ends. If none runs any more, on no computer: remove the file `lock` in the folder.",
  },
  "ota.clockBehind": {
    cause:
      "The clock of this computer shows a time before the repository was made. Metadata signed now would have expired, and devices would take no update.",
    next: "Set the clock, then run the command again.",
  },
  "ota.exists": {
    cause: "The folder for a new repository exists already.",
    next: "Name a folder that does not exist yet: `hamlet ota init` creates it.",
  },
  "ota.notFound": {
    cause: "The folder is not an update repository.",
    next: "Name the folder that `hamlet ota init` created, or create one.",
  },
  "ota.noKey": {
    cause: "A key that this step needs is missing, or the passphrase does not open it.",
    next: "Check the passphrase, or run the step on the computer that has the key.",
  },
  "ota.foreignRoot": {
    cause: "The image trusts another release root, so its devices would refuse updates from this repository.",
    next: "Build the image with `--release-root` of this repository.",
  },
  "ota.notNewer": {
    cause: "The version does not sort after the newest one published for the board, so no device would install it.",
    next: "Build the image with a higher `--version`.",
  },
  "ota.longVersion": {
    cause: "The version is too long for a file name in a tar archive.",
    next: "Export the release into a folder: a name that does not end in `.tar`.",
  },
  "ota.damaged": {
    cause: "A file of the repository is missing or differs from what the signed metadata names.",
    next: "Publish again, or restore the file from a copy.",
  },
  "ota.signFailed": {
    cause: "The metadata does not have enough valid signatures.",
    next: "Sign it with the missing keys: `hamlet ota status` names them.",
  },
  "ota.unreviewed": {
    cause:
      "Metadata that another computer, or somebody who can write to the folder, has staged waits for a signature of this one.",
    next: "See what it changes and sign it: `hamlet ota sign`. If nobody whom you trust made it, remove the file in `staged/`.",
  },
  "ota.threadFailed": {
    cause: "A thread that helps to publish has ended: memory ran out, or its program is missing, as it is in an image.",
    next: "Publish on a computer that has all of Hamlet's package and 500 MB of free memory.",
  },
  "update.agentSilent": {
    cause: "The updater cannot reach the agent, which fetches for it.",
    next: "Nothing to do: it tries again. `systemctl status hamlet-agent` shows whether the agent runs.",
  },
  "update.badManifest": {
    cause: "The manifest of a release is not valid, or of a format that this device does not know.",
    next: "Publish a release that this device can read.",
  },
  "update.badMetadata": {
    cause:
      "The repository's signed metadata is not valid: not signed by the keys that this device trusts, older than what it has seen, or damaged.",
    next: "If it persists, check the repository with `hamlet ota verify`; a web proxy may also have answered in its place.",
  },
  "update.badObject": {
    cause: "Bytes of a release do not have the digest that the signed manifest names.",
    next: "Nothing to do: the device fetches them again. If it persists, run `hamlet ota verify`.",
  },
  "update.badRecipe": {
    cause: "The recipe of a release does not make the parts that its manifest names.",
    next: "Publish the release again.",
  },
  "update.busy": {
    cause: "An update writes or tries a slot, and this would interfere, or the other way round.",
    next: "Wait until it ends: `hamlet update status --watch`.",
  },
  "update.dataLost": {
    cause: "The data partition could not be mounted, so this boot keeps its state in memory and cannot update.",
    next: "Restart the device; if it happens again, replace the card or disk.",
  },
  "update.expired": {
    cause: "The repository's metadata has expired: its publisher has not signed it for a long time.",
    next: "The publisher runs `hamlet ota sign`; until then devices stay as they are.",
  },
  "update.failedBefore": {
    cause: "This release was tried and failed, so the device waits for a newer one.",
    next: "See why with `hamlet update history`; to try it again: `hamlet update retry`.",
  },
  "update.metered": {
    cause: "The owner's settings say that the device's line is metered, so it fetches no release by itself.",
    next: "Update it when you like: `hamlet update now`.",
  },
  "update.noRanges": {
    cause: "The repository's web server sends files whole only, so the pack of an update cannot be fetched in parts.",
    next: "Nothing to do: the device fetches single chunks, which are more bytes. A server with HTTP ranges costs less.",
  },
  "update.noRepository": {
    cause: "The device's image names no update repository.",
    next: "Build images with `--repository <url>` and `--release-root <file>`.",
  },
  "update.noRoom": {
    cause: "The release does not fit into the device's slot, or the EFI partition is full.",
    next: "Remove files from the EFI partition that are not Hamlet's, or publish a smaller release.",
  },
  "update.noUpdater": {
    cause: "No updater runs beside the agent. It is a part of devices from a Hamlet image.",
    next: "On the device: `systemctl status hamlet-updater`. Elsewhere there is nothing to update.",
  },
  "update.notNewer": {
    cause: "The release is not newer than the one that runs.",
    next: "Nothing to do.",
  },
  "update.nothingBack": {
    cause:
      "The other slot holds no earlier release that is whole: it is empty, failed its trial, or a newer release was written over it.",
    next: "Nothing was changed. The device stays on its release; publish a newer one to replace it.",
  },
  "update.notReady": {
    cause: "No release is written and verified in the other slot, so there is nothing to restart into.",
    next: "Prepare one with `hamlet update prepare`, or do both at once with `hamlet update now`.",
  },
  "update.notThere": {
    cause: "The repository has no such file.",
    next: "Check the repository with `hamlet ota verify --remote <url>`.",
  },
  "update.outsideWindow": {
    cause: "The owner's settings allow releases to be fetched at another time of day only.",
    next: "Nothing to do: the update goes on then. To update at once: `hamlet update now`.",
  },
  "update.tooDear": {
    cause: "The update would fetch more bytes than the owner's settings allow (`update.maxBytes`).",
    next: "Allow this one with `hamlet update now`, or raise the setting.",
  },
  "update.tooOld": {
    cause: "The release cannot be installed from the one that runs; a release in between is needed.",
    next: "Install the release in between first, or flash the device again.",
  },
  "update.unreachable": {
    cause: "No repository answers.",
    next: "Nothing to do: the device tries again. Check its network and the address of the repository.",
  },
  "update.verifyFailed": {
    cause: "The slot reads back differently from what was written.",
    next: "The running slot is untouched. If it happens again, replace the card or disk.",
  },
  "update.writeFailed": {
    cause: "The other slot cannot be written.",
    next: "The running slot is untouched. If it happens again, replace the card or disk.",
  },
  "update.wrongBoard": {
    cause: "The release was made for another board.",
    next: "Publish the image under its own board.",
  },
};
