// Boot control: which slot runs, which one starts next, and how a new one earns its place. The same promises on every
// board, kept by the drivers systemd-boot.ts and rpi-tryboot.ts:
//   a slot that has proved itself stays startable until another one has;
//   a new slot gets a counted number of starts, and without a verdict the old one comes back;
//   power may go at any write, and the device starts the old slot or the new one.
import { HamletError } from "../../system/error.ts";

export type Slot = "a" | "b";
export const otherSlot = (slot: Slot): Slot => (slot === "a" ? "b" : "a");

/** Why the device is not in the slot that was tried. */
export type RollbackReason =
  /** It was asked for, and nothing shows that it ever started. */
  | "neverBooted"
  /** It started as often as it may and nobody committed it: it crashed, hung or lost power. */
  | "triesUsedUp"
  /** It was judged and found wanting. */
  | "markedBad";

type Running = { slot: Slot; version: string };
export type BootState =
  /** The running slot starts by itself, and no other is to be tried. */
  | (Running & { phase: "settled" })
  /** The next start tries `trial`. */
  | (Running & { phase: "armed"; trial: Running; triesLeft: number })
  /** This start is the trial: without `commit()` the other slot comes back after `triesLeft` more. */
  | (Running & { phase: "trying"; triesLeft: number; isMarkedBad: boolean })
  /** `trial` had its chance; the running slot starts by itself. */
  | (Running & { phase: "reverted"; trial: Running; because: RollbackReason });

/** What is to be tried. `kernel` is the unified kernel image where the loader wants one; its digest is checked. */
export type Candidate = { version: string; kernel?: { path: string; sha256: string } };

export interface BootControl {
  current(): Promise<BootState>;
  /**
   * Arms one trial of `slot`, whose root, verity and boot partition are written. Throws, having changed nothing:
   * `boot.runningSlot`, `boot.trialUnjudged`, `boot.versionClash`, `boot.notNewer`, `boot.noGoodEntry`,
   * `boot.slotNotReady`, `boot.noRoom`, `boot.firmwareTooOld`, `boot.unsupported`. Staging again replaces.
   */
  stage(slot: Slot, candidate: Candidate): Promise<void>;
  /** Restarts, into the trial if one is armed. */
  reboot(): Promise<void>;
  /** In a trial, as early as can be: notes that the slot came up, so that a crash later is told from no start at all. */
  begin(): Promise<void>;
  /** Ends the trial well: the running slot starts by itself from now on. Nothing to do in a slot that does already. */
  commit(): Promise<void>;
  /** In a trial the running slot, otherwise the other one: it is not started by itself any more. */
  markBad(): Promise<void>;
  rollbackReason(): Promise<RollbackReason | undefined>;
}

export const reasonOf = (state: BootState): RollbackReason | undefined =>
  state.phase === "reverted" ? state.because : undefined;

/** What holds on every board before a slot may be put on trial. `order` is that of systemd (versions.ts). */
export function checkStage(state: BootState, slot: Slot, version: string, order: number): void {
  const refuse = (
    code: "boot.runningSlot" | "boot.trialUnjudged" | "boot.versionClash" | "boot.notNewer",
    why: string,
    hint: string,
  ) => new HamletError(code, why, { hint, exitCode: 3 });
  if (state.phase === "trying") {
    throw refuse(
      "boot.trialUnjudged",
      `slot ${state.slot} (${state.version}) is itself on trial`,
      "first `hamlet boot commit` it, or `hamlet boot bad` and restart",
    );
  }
  if (slot === state.slot) {
    throw refuse("boot.runningSlot", `slot ${slot} is the one that runs`, `the other one is ${otherSlot(slot)}`);
  }
  if (version.toLowerCase() === state.version.toLowerCase()) {
    throw refuse(
      "boot.versionClash",
      `version ${version} is the one that runs`,
      "a new build needs a version of its own",
    );
  }
  if (order <= 0) {
    throw refuse(
      "boot.notNewer",
      `version ${version} sorts before ${state.version}, which runs`,
      "the boot loader starts the newest; give it a higher version",
    );
  }
}
