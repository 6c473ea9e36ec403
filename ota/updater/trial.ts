// Runs the trial of the release that runs: gathers evidence, and commits or goes back. It alone restarts the device.
import type { BootControl } from "../../image/boot/boot-control.ts";
import type { Confirmation } from "../../provisioning/handover/update.ts";
import type { Clock } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { AgentDoor } from "./agent-door.ts";
import type { CheckCode } from "./checks.ts";
import { endOf, withEnd } from "./conclude.ts";
import type { Device } from "./device.ts";
import { isDoubtful } from "./doubt.ts";
import { judge, type Watch, weigh } from "./judge.ts";
import { type Armed, forgetPrepared, noHistory, type State } from "./state.ts";
import { type WitnessWatch, watchWitnesses } from "./witness-watch.ts";

export type TrialDoors = {
  control: BootControl;
  door: Pick<AgentDoor, "evidence">;
  state: State;
  device: Device;
  log: Log;
  /** The same after a restart of the updater. */
  clock: Pick<Clock, "monotonic">;
  nonce(): string;
  sleep(ms: number): Promise<void>;
  /** When silence becomes failure: the same for a restarted updater. */
  deadlineMs: number;
};
export type OnWaiting = (leftMs: number, waitsFor: CheckCode[]) => void;

export const pollMs = 2_000;

/** True once the release is committed; false when the device restarts into the old one. */
export async function runTrial(armed: Armed, doors: TrialDoors, onWaiting: OnWaiting): Promise<boolean> {
  const { control, log, clock, sleep } = doors;
  const now = clock.monotonic;
  await control.begin();
  const boot = await control.current();
  // Somebody's verdict, or that of an updater which died before the restart: nothing takes it back.
  const isJudged = boot.phase === "trying" && boot.isMarkedBad;
  const witnesses = watchWitnesses(armed, doors);
  let watch: Watch = { deadlineMs: doors.deadlineMs, passedSinceMs: undefined };
  for (;;) {
    const observed = await observe(doors, witnesses);
    const waitsFor = judge(armed, observed);
    const [next, weighed] = weigh(watch, waitsFor, now());
    watch = next;
    const verdict = isJudged ? { failed: waitsFor[0] ?? ("trial.ended" as const) } : weighed;
    if (verdict === "commit") {
      await commit(armed, observed.confirmations, doors);
      log.info(`release ${armed.to.version} is committed`);
      return true;
    }
    if (verdict !== "wait") {
      log.error(`release ${armed.to.version} failed its trial: ${waitsFor.join(", ")}`);
      await fail(armed, verdict.failed, waitsFor, observed.confirmations, doors);
      return false;
    }
    onWaiting(watch.deadlineMs - now(), waitsFor);
    await sleep(pollMs);
  }
}

async function observe({ device, log }: TrialDoors, witnesses: WitnessWatch) {
  const quiet = (what: string) => (error: unknown) => {
    log.debug(`${what}: ${describeError(error)}`);
    return undefined;
  };
  const [evidence, failedUnits] = await Promise.all([
    witnesses.evidence().catch(quiet("no evidence")),
    device.failedUnits().catch(quiet("no list of units")),
  ]);
  const { rootHash, isDataLost } = device;
  return { rootHash, isDataLost, failedUnits, evidence, confirmations: witnesses.confirmations() };
}

async function commit(armed: Armed, confirmations: Confirmation[], { control, state }: TrialDoors): Promise<void> {
  await control.commit();
  await settle(armed, state, confirmations);
}

/** After a commit, whoever notices it. Nothing here leads back. */
export async function settle(armed: Armed, state: State, confirmations: Confirmation[] = []): Promise<void> {
  const floors = (await state.read("floors.json")) ?? { roles: {} };
  await state.write("floors.json", { ...floors, release: armed.to.version });
  await state.write(
    "history.json",
    withEnd((await state.read("history.json")) ?? noHistory, endOf(armed, "committed", { confirmations })),
  );
  await state.write("wanted.json", undefined);
  await forgetPrepared(state);
  await state.write("armed.json", undefined);
}

async function fail(
  armed: Armed,
  check: CheckCode,
  missing: CheckCode[],
  confirmations: Confirmation[],
  { control, state, device, log }: TrialDoors,
): Promise<void> {
  // First of all: whatever restarts the device now, the old slot comes back.
  await control.markBad();
  try {
    const lastWords = await device.lastWords();
    if (isDoubtful(missing, confirmations))
      await state.write("armed.json", { ...armed, doubt: { missing, log: lastWords, confirmations } });
    else {
      const end = endOf(armed, "failed", { check, log: lastWords, confirmations });
      await state.write("history.json", withEnd((await state.read("history.json")) ?? noHistory, end));
    }
  } catch (error) {
    log.error(`the reason is not kept: ${describeError(error)}`);
  }
  await control.reboot();
}
