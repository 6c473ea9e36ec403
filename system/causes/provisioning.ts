// Causes of errors with neighborhoods, provision files and cards.
import type { ErrorCode } from "../error.ts";
import type { Cause } from "./cause.ts";

export const provisioningCauses: Record<
  Extract<
    ErrorCode,
    | `neighborhood.${string}`
    | `document.${string}`
    | `adoption.${string}`
    | `revocation.${string}`
    | `operator.${string}`
    | `order.${string}`
    | `provision.${string}`
    | `handover.${string}`
    | `imager.${string}`
    | `state.${string}`
  >,
  Cause
> = {
  "neighborhood.busy": {
    cause: "Another command writes to the neighborhood's folder.",
    next: "Wait until it ends. If none runs any more, on no computer: remove the file `lock` in the folder.",
  },
  "neighborhood.exists": {
    cause:
      "`hamlet init` and `hamlet operator add` make a new folder, and that folder exists already. Nothing was changed.",
    next: "Name a folder that does not exist yet.",
  },
  "neighborhood.notFound": {
    cause: "The folder is not one that `hamlet init` made, or one of its key files is missing.",
    next: "Name the right folder, or make it again from the recovery sheet: `hamlet init <new folder> --recover <recovery sheet>`.",
  },
  "neighborhood.wrongPassphrase": {
    cause: "The passphrase does not open the neighborhood's key.",
    next: "Try again. If it is lost, make a new folder from the recovery sheet: `hamlet init <new folder> --recover <recovery sheet>`.",
  },
  "neighborhood.badRecoverySheet": {
    cause: "The recovery sheet has a mistake: its checksum does not match.",
    next: "Compare what was typed with the paper, letter by letter; 0, 1, 8 and 9 never occur.",
  },
  "neighborhood.noPassphrase": {
    cause: "The passphrase is needed, and there is no terminal to ask for it, or the two that were typed differ.",
    next: "Set HAMLET_PASSPHRASE or give --passphrase-file, or type the same passphrase twice.",
  },
  "adoption.notWaiting": {
    cause:
      "No device of that name or code waits at the device that was asked. One waits for ten minutes after it was last heard.",
    next: "See who waits with `hamlet status`, or ask the new device itself: `hamlet adopt --device <its address>`.",
  },
  "adoption.ambiguous": {
    cause: "More than one waiting device fits, and only one can be meant.",
    next: "Name it by the code on its own page or console.",
  },
  "adoption.wrongCode": {
    cause: "The code that was given is not the waiting device's: it may be another device under the same name.",
    next: "Compare the code with the one on the device's own page or console. Adopt it only if they are equal.",
  },
  "revocation.unknown": {
    cause: "No member, token or operator has that name or id.",
    next: "List the members with `hamlet status`, and tokens and operators with `hamlet revoke --list`.",
  },
  "revocation.stays": {
    cause: "A revocation closes a token, so it must say which of the other members that joined with it stay.",
    next: "Give --stays all, --stays none, or the names that stay.",
  },
  "operator.exists": {
    cause: "Another operator has that name, and its key is valid.",
    next: "Choose another name, or revoke the other operator first with `hamlet revoke <name>`.",
  },
  "order.overtaken": {
    cause:
      "Another order about the same thing came first, so that this one changes nothing at the device, or two operators now disagree.",
    next: "See how it stands with `hamlet status` or `hamlet rollout status`, then run the command again if you still mean it.",
  },
  "order.toItself": {
    cause:
      "The device that was asked is the one to be turned away or put out, or goes with it. It need not tell the others, so nothing was signed.",
    next: "Name a member that stays: `--device <member>`.",
  },
  "operator.revoked": {
    cause:
      "The operator key in this folder is revoked, or the root has never certified it: no device follows what it signs.",
    next: "Ask the owner for another folder: `hamlet operator add <name> --to <folder>`.",
  },
  "document.refused": {
    cause: "A signed document (token, record, revocation) was refused.",
    next: "Explain the refusal in the message, such as `hamlet explain tokenForged`.",
  },
  "provision.invalid": {
    cause: "The image or card has no provision file, or the file is damaged.",
    next: "Provision it again: `hamlet provision` writes the whole file.",
  },
  "provision.tooLarge": {
    cause: "The provision file does not fit the space that an image reserves for it.",
    next: "Give fewer SSH keys or a shorter configuration.",
  },
  "provision.wrongBoard": {
    cause: "The provision file was made for another board than this device.",
    next: "Provision an image for the right board, or leave out --board.",
  },
  "provision.otherDevice": {
    cause: "The image is provisioned as another device already.",
    next: "Name another file with -o, or replace it with --force.",
  },
  "provision.otherNeighborhood": {
    cause: "The image or the device belongs to another neighborhood.",
    next: "Check that it is the right one. To move an image, use --force; to move a device, run `hamlet reset` on it.",
  },
  "provision.partly": {
    cause: "A device that is a member already found a new provision file, and took only part of it.",
    next: "Read which part was left: it needs `hamlet reset` on the device first.",
  },
  "handover.refused": {
    cause:
      "A file that the agent and root pass to each other is not what root expects: a link, too large, or in the wrong place.",
    next: "Remove it as root on the device, as the message says.",
  },
  "imager.invalid": {
    cause: "A file that Raspberry Pi Imager wrote to the card cannot be read.",
    next: "Correct that file on the card's first partition, or write the card again.",
  },
  "imager.refused": {
    cause: "A setting from Raspberry Pi Imager is not possible on this device.",
    next: "Change the setting that the message names, and write the card again.",
  },
  "state.damaged": {
    cause: "A state file of the device is damaged, for example by a power cut or a worn card.",
    next: "If it happens again, replace the card or disk.",
  },
  "state.lost": {
    cause: "The data partition cannot be mounted, so the device has lost its identity.",
    next: "The card or disk may be worn out: flash another one and provision it.",
  },
};
