// The project's one error class: a code for programs, a message for the log, a hint for people.
// The codes are a closed union, one block for each room, so that code that recovers from an error cannot misspell its code.

export type ErrorCode =
  // system
  | "command.failed"
  | "command.missing"
  | "command.timeout"
  | "file.exists"
  | "file.invalid"
  | "file.full"
  | "file.unreadable"
  // cli
  | "usage.invalid"
  | "answer.no"
  | "device.notFound"
  | "device.noAnswer"
  | "device.needsRoot"
  | "device.takesNoRequests"
  | "device.unknown"
  | "node.tooOld"
  | "output.failed"
  // provisioning
  | "neighborhood.busy"
  | "neighborhood.exists"
  | "neighborhood.notFound"
  | "neighborhood.wrongPassphrase"
  | "neighborhood.badRecoverySheet"
  | "neighborhood.noPassphrase"
  | "document.refused"
  | "adoption.notWaiting"
  | "adoption.ambiguous"
  | "adoption.wrongCode"
  | "revocation.unknown"
  | "revocation.stays"
  | "operator.exists"
  | "operator.revoked"
  | "order.overtaken"
  | "order.toItself"
  | "rollout.ambiguous"
  | "rollout.over"
  | "rollout.paused"
  | "rollout.unknown"
  | "provision.invalid"
  | "provision.tooLarge"
  | "provision.wrongBoard"
  | "provision.otherDevice"
  | "provision.otherNeighborhood"
  | "provision.partly"
  | "handover.refused"
  | "imager.invalid"
  | "imager.refused"
  | "state.damaged"
  | "state.lost"
  // image
  | "image.changed"
  | "image.damaged"
  | "image.notOurs"
  | "image.provisioned"
  | "image.truncated"
  | "image.wrongSize"
  | "bmap.invalid"
  | "bundle.invalid"
  | "build.diskFull"
  | "build.failed"
  | "build.nixMissing"
  | "build.nixNoBuilder"
  | "build.nixNoDaemon"
  | "build.nixTooOld"
  | "build.noNetwork"
  | "build.relocked"
  | "build.wrongBase"
  | "lock.invalid"
  // image/boot
  | "boot.unsupported"
  | "boot.unclear"
  | "boot.runningSlot"
  | "boot.trialUnjudged"
  | "boot.versionClash"
  | "boot.notNewer"
  | "boot.noGoodEntry"
  | "boot.slotNotReady"
  | "boot.noRoom"
  | "boot.noTrial"
  | "boot.nothingBack"
  | "boot.leaving"
  | "boot.firmwareTooOld"
  | "boot.writeFailed"
  // image/publish
  | "publish.signFailed"
  | "publish.twoOfOneBoard"
  | "publish.unfinished"
  | "publish.versionTaken"
  // image/flash
  | "flash.deviceFailed"
  | "flash.empty"
  | "flash.inUse"
  | "flash.lyingSize"
  | "flash.notADrive"
  | "flash.otherDrive"
  | "flash.readOnly"
  | "flash.stopped"
  | "flash.systemDisk"
  | "flash.tooSmall"
  | "flash.unsupported"
  | "flash.verifyFailed"
  // image/install
  | "install.notADevice"
  | "install.unsupported"
  | "install.noDisk"
  | "install.changed"
  | "install.failed"
  | "install.moved"
  | "install.refused"
  | "install.tooMuchState"
  | "install.unclear"
  // image/lab
  | "rehearsal.noImage"
  | "rehearsal.notNewest"
  | "lab.alreadyRunning"
  | "lab.notRunning"
  | "lab.deviceUnknown"
  | "lab.deviceExists"
  | "lab.bootFailed"
  | "lab.execFailed"
  | "lab.joinFailed"
  | "lab.firmwareRefused"
  | "lab.machineRefused"
  | "lab.stateRefused"
  // ota
  | "ota.busy"
  | "ota.clockBehind"
  | "ota.exists"
  | "ota.notFound"
  | "ota.noKey"
  | "ota.foreignRoot"
  | "ota.longVersion"
  | "ota.notNewer"
  | "ota.damaged"
  | "ota.signFailed"
  | "ota.threadFailed"
  | "ota.unreviewed"
  | "update.agentSilent"
  | "update.badManifest"
  | "update.badMetadata"
  | "update.badObject"
  | "update.badRecipe"
  | "update.busy"
  | "update.dataLost"
  | "update.expired"
  | "update.failedBefore"
  | "update.metered"
  | "update.noRanges"
  | "update.noRepository"
  | "update.noRoom"
  | "update.noUpdater"
  | "update.notNewer"
  | "update.nothingBack"
  | "update.notReady"
  | "update.notThere"
  | "update.outsideWindow"
  | "update.tooDear"
  | "update.tooOld"
  | "update.unreachable"
  | "update.verifyFailed"
  | "update.writeFailed"
  | "update.wrongBoard"
  // agent
  | "config.invalid"
  | "identity.invalid"
  | "port.taken"
  | "hello.busy"
  | "hello.invalid"
  | "hello.pending"
  | "hello.refused"
  | "guard.failed"
  | "mesh.failed"
  | "cluster.failed"
  | "broker.failed"
  | "telemetry.invalid"
  | "name.taken"
  | "reset.refused"
  | "reset.ownerUnknown"
  | "reset.stale"
  | "reset.noRoot"
  | "api.refused";

export type ErrorOptions = { hint?: string; cause?: unknown; exitCode?: number };

/** `hint` is the next step for a person; `exitCode` is what a command ends with. */
export class HamletError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly exitCode: number;

  constructor(code: ErrorCode, message: string, { hint, cause, exitCode = 1 }: ErrorOptions = {}) {
    super(message, { cause });
    this.name = "HamletError";
    this.code = code;
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

/** One line for a log: code, message, hint and causes. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // None of a host's several addresses answers: Node reports that in an error without a message.
  if (error instanceof AggregateError && error.message === "") return error.errors.map(describeError).join("; ");
  const own =
    error instanceof HamletError
      ? `${error.code}: ${error.message}${error.hint ? ` (${error.hint})` : ""}`
      : error.message;
  return error.cause === undefined ? own : `${own} <- ${describeError(error.cause)}`;
}

/** Turns a system error into one that tells people what was refused and what to do. Returns any other error unchanged. */
export function coded(error: unknown): unknown {
  const errno = errnoOf(error);
  if (error instanceof HamletError || errno === undefined || !(error instanceof Error)) return error;
  const path = "path" in error && typeof error.path === "string" ? error.path : "a file";
  switch (errno) {
    case "ENOSPC":
    case "EDQUOT":
      return new HamletError("file.full", `no space left to write ${path}`, {
        hint: "free space on this disk",
        cause: error,
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new HamletError("file.unreadable", `this user may not open ${path}`, {
        hint: "run as its owner or as root, or name another file",
        cause: error,
      });
    case "ENOENT":
    case "ENOTDIR":
    case "EISDIR":
      return new HamletError(
        "file.unreadable",
        errno === "EISDIR" ? `${path} is a folder, not a file` : `there is no file ${path}`,
        {
          hint: "check the path",
          cause: error,
        },
      );
    default:
      return error;
  }
}

/** The errno of a Node system error ("ENOENT"), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
