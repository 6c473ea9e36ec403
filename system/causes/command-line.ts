// Causes of errors of the command line and of the files and programs that it uses.
import type { ErrorCode } from "../error.ts";
import type { Cause } from "./cause.ts";

export const commandLineCauses: Record<
  Extract<
    ErrorCode,
    | `command.${string}`
    | `file.${string}`
    | `usage.${string}`
    | `answer.${string}`
    | `device.${string}`
    | `node.${string}`
    | `output.${string}`
    | `rollout.${string}`
  >,
  Cause
> = {
  "command.failed": {
    cause: "Another program that Hamlet runs ended with an error.",
    next: "Read the last lines of that program, which the message quotes, and fix what they name.",
  },
  "command.missing": {
    cause: "A program that Hamlet runs is not installed.",
    next: "Install the package that contains it; in a checkout `sh system/setup.sh start` installs all of them.",
  },
  "command.timeout": {
    cause: "Another program did not end in time and was stopped.",
    next: "Run the command again when the computer is less busy; if it stops at the same place, run that program by hand.",
  },
  "file.exists": {
    cause: "The command would overwrite a file that it did not make.",
    next: "Name another file, or remove this one first.",
  },
  "file.invalid": {
    cause: "A file can be read, but its content is not what was expected.",
    next: "Correct the place that the message names, or make the file again.",
  },
  "file.full": {
    cause: "The disk has no space left. Whatever was there before is intact.",
    next: "Free space on that disk, then run the command again.",
  },
  "file.unreadable": {
    cause: "A file is missing, or this user may not open it.",
    next: "Check the path, or run the command as the file's owner or as root.",
  },
  "usage.invalid": {
    cause: "The command line has a word, an option or a value that the command does not take.",
    next: "Read the usage in the message, or run the command with --help.",
  },
  "answer.no": {
    cause: "The answer was not the word that the question asked for. Nothing was changed.",
    next: "Run the command again and type exactly that word, or use --yes if nobody can answer.",
  },
  "device.notFound": {
    cause:
      "No device answers: no agent runs on this computer, no lab is running, or neither the lab nor the link has such a device.",
    next: "Name a device with --device <address>, or start a lab with `hamlet lab up`.",
  },
  "device.noAnswer": {
    cause: "The device was found, but its agent did not answer in time or answered with something else.",
    next: "Check that the agent runs: on the device, `systemctl status hamlet-agent`.",
  },
  "device.needsRoot": {
    cause: "Only root may do this on a device.",
    next: "Run the command as root on the device: `ssh root@<device>`.",
  },
  "device.takesNoRequests": {
    cause:
      "A device changes itself for a request on its own socket, in the lab, or signed by its owner, not for one that anybody on the network sends.",
    next: "Name your neighborhood's folder with --neighborhood, or run the command on the device: `ssh root@<address>`.",
  },
  "device.unknown": {
    cause: "The device that was asked knows no member of that name or id.",
    next: "List the members with `hamlet status`.",
  },
  "rollout.unknown": {
    cause: "The device that was asked has heard of no such rollout.",
    next: "See which there are with `hamlet status --json`, or start one with `hamlet rollout start`.",
  },
  "rollout.ambiguous": {
    cause: "More than one rollout fits, and only one can be meant.",
    next: "Name it by its release, or by the first characters of its id.",
  },
  "rollout.over": {
    cause: "The rollout is aborted, which is final, or no higher number is left for it.",
    next: "Start another one with `hamlet rollout start`.",
  },
  "rollout.paused": {
    cause:
      "The rollout is paused although its last order says that it runs: devices failed, operators disagree, or who signed it is revoked.",
    next: "See why with `hamlet rollout status`, then go on with `hamlet rollout resume`.",
  },
  "node.tooOld": {
    cause: "The Node.js that runs this program is too old for it.",
    next: "Install Node.js 22.15 or newer.",
  },
  "output.failed": {
    cause: "The command did its work, but its result could not be written to stdout.",
    next: "Check the disk or the program that stdout leads to, then run the command again.",
  },
};
