// Boot control: which slot runs, which one starts next, and how a new slot is tried. The drivers systemd-boot.ts and
// rpi/tryboot.ts make the same promises on every board:
//   a slot that was committed stays bootable until another one is committed;
//   a new slot gets a limited number of starts, and without a verdict the old slot comes back;
//   power may fail at any write, and the device starts the old slot or the new one.
import { HamletError } from "../../system/error.ts";

export type Slot = "a" | "b";
export const otherSlot = (slot: Slot): Slot => (slot === "a" ? "b" : "a");

/** Why the device is not running the slot of the last trial. */
export type RollbackReason =
  /** The trial was requested, but nothing shows that the slot ever started. */
  | "neverBooted"
  /** The slot started as often as allowed without a commit: it crashed, hung or lost power. */
  | "triesUsedUp"
  /** The verdict was: not healthy. */
  | "markedBad";

type Running = { slot: Slot; version: string };
export type BootState =
  /** The running slot is the default, and no trial is staged. */
  | (Running & { phase: "settled" })
  /** The next start tries `trial`. */
  | (Running & { phase: "armed"; trial: Running; triesLeft: number })
  /** This boot is the trial: without `commit()` the other slot comes back after `triesLeft` more starts. */
  | (Running & { phase: "trying"; triesLeft: number; isMarkedBad: boolean })
  /** The trial failed; the running slot is the default. */
  | (Running & { phase: "reverted"; trial: Running; because: RollbackReason })
  /** The next start is that of the other slot, for good: `revert()` has been called, and the restart is missing. */
  | (Running & { phase: "left"; next: Running });

/** The release in the other slot, which was good before the running one, and what its kernel says of its root filesystem. */
export type Earlier = Running & { verity: Verity };
export type Verity = { rootHash: string; dataBlocks: number };

/** A unified kernel image that comes as a stream, because a device has no room for it twice. */
export type NewKernel = {
  sizeBytes: number;
  /** Its bytes from the start, in pieces of any length. A piece is good until the next one is asked for. */
  read(): AsyncIterable<Buffer>;
  /** Whether `bytes`, read back from the disk, are this kernel. */
  isSame(bytes: AsyncIterable<Buffer>): Promise<boolean>;
};

/** The release to try. `kernel` is for boards whose loader starts a unified kernel image. */
export type Candidate = { version: string; kernel?: NewKernel };

export interface BootControl {
  current(): Promise<BootState>;
  /**
   * Makes `slot` ready for `stage`: writes its kernel under a name that the loader ignores, and verifies it. Arms nothing, and
   * does nothing again to a kernel that is there already. Changes nothing if it throws; the same codes as `stage`.
   */
  prepare(slot: Slot, candidate: Candidate): Promise<void>;
  /**
   * Arms one trial of `slot`, whose root, verity and boot partition are written already. Changes nothing if it throws:
   * `boot.runningSlot`, `boot.trialUnjudged`, `boot.versionClash`, `boot.notNewer`, `boot.noGoodEntry`,
   * `boot.slotNotReady`, `boot.noRoom`, `boot.firmwareTooOld`, `boot.unsupported`. Staging again replaces the trial.
   */
  stage(slot: Slot, candidate: Candidate): Promise<void>;
  /** Restarts the device, into the trial if one is armed. */
  reboot(): Promise<void>;
  /** Early in a trial: records that the slot came up, to tell a later crash from no start at all. */
  begin(): Promise<void>;
  /** Ends the trial well: the running slot becomes the default. Does nothing if it already is. */
  commit(): Promise<void>;
  /** Marks a slot as not to be started by default: in a trial the running one, otherwise the other one. */
  markBad(): Promise<void>;
  rollbackReason(): Promise<RollbackReason | undefined>;
  /** Undefined if the other slot has nothing to go back to: it is empty, marked bad, on trial, or was good before something older. */
  earlier(): Promise<Earlier | undefined>;
  /**
   * Makes the slot of `earlier()` the default again; whoever calls it has verified its root filesystem. Does nothing if that is
   * done already. Throws `boot.nothingBack` or `boot.trialUnjudged`.
   */
  revert(): Promise<void>;
}

export const reasonOf = (state: BootState): RollbackReason | undefined =>
  state.phase === "reverted" ? state.because : undefined;

/** The conditions for a trial on every board. `order`: how the new version compares with the running one (versions.ts). */
export function checkStage(state: BootState, slot: Slot, version: string, order: number): void {
  const refuse = (code: "boot.runningSlot" | "boot.versionClash" | "boot.notNewer", why: string, hint: string) =>
    new HamletError(code, why, { hint, exitCode: 3 });
  if (state.phase === "trying") {
    throw unjudged(state);
  }
  if (state.phase === "left") throw leaving(state);
  if (slot === state.slot) {
    throw refuse("boot.runningSlot", `slot ${slot} is running`, `use slot ${otherSlot(slot)}`);
  }
  if (version.toLowerCase() === state.version.toLowerCase()) {
    throw refuse("boot.versionClash", `version ${version} is running already`, "give each build its own version");
  }
  if (order <= 0) {
    throw refuse(
      "boot.notNewer",
      `version ${version} is older than ${state.version}, which is running`,
      "the boot loader starts the newest version; use a higher one",
    );
  }
}

/** While a slot is on trial, the other one is what the device goes back to. */
export const unjudged = ({ slot, version }: BootState & { phase: "trying" }, hint = commitOrGoBack): HamletError =>
  new HamletError("boot.trialUnjudged", `slot ${slot} (${version}) is on trial itself`, { hint, exitCode: 3 });
const commitOrGoBack = "commit it first (`hamlet boot commit`), or mark it bad (`hamlet boot bad`) and restart";

/** The slot that starts next must not be changed. */
export const leaving = ({ next }: BootState & { phase: "left" }): HamletError =>
  new HamletError("boot.leaving", `this device goes back to slot ${next.slot} (${next.version}) at its next start`, {
    hint: "restart it: systemctl reboot",
    exitCode: 3,
  });

/** Throws `boot.trialUnjudged` or `boot.nothingBack`. */
export function checkRevert(state: BootState, earlier: Earlier | undefined): Earlier {
  if (state.phase === "trying") {
    throw unjudged(state, "mark it bad (`hamlet boot bad`) and restart");
  }
  if (earlier) return earlier;
  throw new HamletError("boot.nothingBack", `slot ${otherSlot(state.slot)} has no earlier release that starts`, {
    hint: "nothing was changed; `hamlet boot status` shows the state",
    exitCode: 3,
  });
}
