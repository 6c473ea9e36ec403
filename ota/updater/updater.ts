// The updater: takes requests and time to step.ts, and performs what it decides.
import { hash } from "node:crypto";
import type { BootControl } from "../../image/boot/boot-control.ts";
import type { UpdateTrouble } from "../../provisioning/handover/update.ts";
import type { Clock } from "../../system/clock.ts";
import { describeError, HamletError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import { makeQueue } from "../../system/queue.ts";
import { backoffMs } from "../../system/retry.ts";
import type { Turn } from "../../system/turn.ts";
import type { Manifest } from "../format/manifest.ts";
import type { AgentDoor } from "./agent-door.ts";
import { checks } from "./checks.ts";
import {
  afterVoid,
  type Conclusion,
  conclude,
  concludeReturn,
  endOf,
  endOfReturn,
  type Return,
  voidPausesMs,
  withEnd,
} from "./conclude.ts";
import type { Device } from "./device.ts";
import { verifyEarlier } from "./earlier.ts";
import { raiseFloors } from "./floors.ts";
import { type FolderDoor, openFolderDoor } from "./folder-door.ts";
import { type InstallDoors, type Installed, install } from "./install.ts";
import type { findNewest } from "./metadata.ts";
import type { Progress } from "./progress.ts";
import { refusalOf } from "./refusals.ts";
import { type Knowledge, reportOf } from "./report.ts";
import { type Armed, noHistory, type State } from "./state.ts";
import { dueAtMs, type Effect, type Event, step } from "./step.ts";
import { runTrial, settle } from "./trial.ts";

export type UpdaterParts = {
  control: BootControl;
  door: AgentDoor;
  state: State;
  device: Device;
  disk: Pick<InstallDoors, "openPart" | "openOld">;
  findNewest: typeof findNewest;
  /** The release root of the provision file or of the image. */
  firstRoot: Buffer;
  clock: Clock;
  log: Log;
  random(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Undefined while another program of root's works on the disk. */
  takeTurn(): Promise<Turn | undefined>;
  /** A folder in memory. */
  workIn: string;
  pace: { firstCheckMs: number; checkEveryMs: number };
  /** The folder that the owner has named to update from: once for each time. */
  namedFolder(): Promise<string | undefined>;
  /** When the trial of this boot ends, on the monotonic clock. */
  trialDeadlineMs(): Promise<number>;
};

export type Updater = {
  /** Ends when the device restarts. Throws if it cannot act on a trial, and must be started again then. */
  run(signal: AbortSignal): Promise<void>;
};

const waitPauses = { firstMs: 1_000, longestMs: 30_000 };
const dayMs = 24 * 60 * 60_000;
/** Progress is reported this often. */
const reportEveryMs = 1_000;

export async function makeUpdater(parts: UpdaterParts): Promise<Updater> {
  const { control, door, state, device, clock, log, random, sleep } = parts;
  const boot = await control.current();
  const conclusion = conclude(boot, await state.read("armed.json"), device.bootId);
  const returned = concludeReturn(boot, await state.read("leaving.json"));
  const known: Knowledge = {
    running: { slot: boot.slot, version: device.version },
    life: { phase: "idle", checkAtMs: clock.monotonic() + parts.pace.firstCheckMs },
    progress: undefined,
    trial: { leftMs: 0, waitsFor: [] },
    history: (await state.read("history.json")) ?? noHistory,
    checkedAtMs: undefined,
    newest: undefined,
    earlier: undefined,
    epochMs: 0,
  };
  let manifest: Manifest | undefined;
  let installed: Installed | undefined;
  /** Where the release under way comes from, if not from a repository. */
  let folder: FolderDoor | undefined;
  /** Fails if the verdict cannot be carried out: started again, the updater goes on with the same trial. */
  let trial: Promise<void> | undefined;
  let hasAdvanced = false;
  /** The furthest that any attempt at this release came. */
  let furthest = { release: "", doneBytes: 0 };
  const persist = makeQueue();
  const report = () => reportOf({ ...known, epochMs: clock.now() - clock.monotonic() });
  let wake = () => {};

  let reportedAtMs = Number.NEGATIVE_INFINITY;
  function tell(isUrgent: boolean): void {
    if (isUrgent || clock.monotonic() - reportedAtMs >= reportEveryMs) void tellNow();
  }
  async function tellNow(): Promise<void> {
    reportedAtMs = clock.monotonic();
    await door.report(report()).catch((error: unknown) => log.debug(`no report: ${describeError(error)}`));
  }

  function dispatch(event: Event): void {
    const moment = { now: clock.monotonic(), random: random() };
    const [life, effects] = step(known.life, event, parts.pace, moment);
    // What failed is repeated where it was; every other check is of the repository, unless somebody names a folder.
    const goesOn = event.kind === "tick" && known.life.phase === "waiting";
    const hasChanged = life.phase !== known.life.phase;
    known.life = life;
    if (hasChanged) {
      known.progress = undefined;
      tell(true);
    }
    for (const effect of effects) {
      if (effect.kind === "check" && !goesOn) folder = undefined;
      perform(effect);
    }
    wake();
  }

  function perform(effect: Effect): void {
    switch (effect.kind) {
      case "check":
        attempt(effect.in === "folder" ? checkFolder : check);
        break;
      case "install":
        attempt(installNewest);
        break;
      case "restart":
        attempt(restart);
        break;
      case "goBack":
        attempt(goBack);
        break;
      case "want":
        // A wish that is there already has the count of trials without a verdict.
        later(async () =>
          state.write("wanted.json", effect.isWanted ? ((await state.read("wanted.json")) ?? {}) : undefined),
        );
        break;
      case "forgetFailures":
        later(() => state.write("wanted.json", undefined));
        later(() => changeHistory((history) => ({ ...history, failed: [] })));
        break;
      case "acknowledge":
        later(() => changeHistory((history) => ({ ...history, isSeen: true })));
        break;
    }
  }

  function later(act: () => Promise<void>): void {
    persist(act).catch((error: unknown) => log.error(describeError(error)));
  }

  function attempt(act: () => Promise<void>): void {
    hasAdvanced = false;
    // What was asked for is on the disk before it begins.
    persist(() => {})
      .then(act)
      .catch(async (error: unknown) => {
        await turn?.done();
        turn = undefined;
        log.warn(describeError(error));
        const isFinal = error instanceof HamletError && error.exitCode === 3;
        dispatch({ kind: "failed", trouble: troubleOf(error), isFinal, hasAdvanced });
      });
  }

  async function changeHistory(change: (history: Knowledge["history"]) => Knowledge["history"]): Promise<void> {
    known.history = change(known.history);
    await state.write("history.json", known.history);
    tell(true);
  }

  async function checkFolder(): Promise<void> {
    const path = await parts.namedFolder();
    if (path === undefined) {
      throw new HamletError("update.notThere", "nobody has named a folder to update from", {
        hint: "as root on the device: hamlet update install <folder>",
        exitCode: 3,
      });
    }
    folder = openFolderDoor(path);
    await check().catch((error: unknown) => {
      // Reading it again changes nothing.
      throw error instanceof HamletError ? asFinal(error) : error;
    });
  }

  async function check(): Promise<void> {
    const floors = (await state.read("floors.json")) ?? { roles: {} };
    const clockS = Math.max(device.builtS, floors.clockS ?? 0);
    // A clock that no time server has set proves nothing: then only what was built before certainly is past.
    const nowMs = (await device.isClockSet()) ? Math.max(clock.now(), clockS * 1000) : clockS * 1000;
    const { firstRoot, workIn } = parts;
    const from = hash("sha256", firstRoot, "hex");
    const metadata = await state.read("metadata.json");
    // A device that was given another release root begins anew.
    const kept = metadata?.from === from ? metadata.files : undefined;
    const where = { door: folder ?? door, target: await folder?.target(device.board) };
    const how = { kept, firstRoot, floors: floors.roles, nowMs, workIn };
    const found = await parts.findNewest({ board: device.board, ...where, ...how });
    const next = { from, files: found.files };
    if (JSON.stringify(next) !== JSON.stringify(metadata)) await state.write("metadata.json", next);
    const raised = {
      ...floors,
      clockS: Math.max(clockS, found.manifest.builtS),
      roles: raiseFloors(floors.roles, found.roles),
    };
    if (JSON.stringify(raised) !== JSON.stringify(floors)) await state.write("floors.json", raised);
    manifest = found.manifest;
    known.checkedAtMs = clock.now();
    known.newest = manifest.version;
    const refusal = refusalOf(manifest, {
      version: device.version,
      floor: floors.release,
      failed: known.history.failed,
      isDataLost: device.isDataLost,
    });
    dispatch({ kind: "found", release: manifest.version, ...(refusal && { refusal: troubleOf(refusal) }) });
  }

  /** Held until the device restarts, or the attempt fails. */
  let turn: Turn | undefined;
  async function takeTurn(): Promise<void> {
    turn ??= await parts.takeTurn();
    if (turn) return;
    throw new HamletError("update.busy", "the device moves to another disk", {
      hint: "nothing to do: it goes on by itself",
    });
  }

  /** Throws `update.busy` while root moves or resets this device. */
  async function refuseBeside(): Promise<void> {
    const what = await device.ownerAsked();
    if (what === undefined) return;
    throw new HamletError("update.busy", `the owner has asked for: ${what}`, { hint: "it goes on when that is over" });
  }

  async function findEarlier(): Promise<void> {
    const earlier = await control.earlier().catch((error: unknown) => log.debug(describeError(error)));
    known.earlier = earlier?.version;
  }

  async function goBack(): Promise<void> {
    if (device.isDataLost) throw dataLost();
    await refuseBeside();
    await takeTurn();
    await findEarlier();
    const onProgress = (progress: Progress) => {
      known.progress = progress;
      tell(false);
    };
    const { slot, version } = await verifyEarlier(control, parts.disk.openPart, onProgress).catch((error: unknown) => {
      known.earlier = undefined;
      throw error;
    });
    known.life = { phase: "returning", to: version };
    tell(true);
    const atMs = Math.max(0, clock.now());
    await state.write("leaving.json", { from: known.running, to: { slot, version }, atMs });
    await control.revert();
    log.info(`going back to release ${version}`);
    await control.reboot();
  }

  async function installNewest(): Promise<void> {
    known.progress = undefined;
    await refuseBeside();
    await takeTurn();
    const release = manifest!.version;
    if (furthest.release !== release) furthest = { release, doneBytes: 0 };
    const onProgress = (progress: Progress) => {
      // What the update may cost is up to the agent, which has to know the forecast.
      if (!known.progress) {
        known.progress = progress;
        return tellNow();
      }
      known.progress = progress;
      if (progress.phase === "writing" && progress.doneBytes > furthest.doneBytes) {
        furthest.doneBytes = progress.doneBytes;
        hasAdvanced = true;
      }
      tell(false);
    };
    const { rootHash, diskSignature } = device;
    const doors: InstallDoors = {
      ...{ control, ...parts.disk, rootHash, diskSignature, sleep, random },
      door: folder ?? door,
    };
    known.earlier = undefined;
    installed = await install(manifest!, doors, onProgress);
    dispatch({ kind: "installed" });
  }

  async function restart(): Promise<void> {
    await refuseBeside();
    const { slot, candidate } = installed!;
    const evidence = await door.evidence();
    const armed: Armed = {
      from: known.running,
      to: { slot, version: candidate.version },
      rootHash: manifest!.verity.rootHash,
      bootId: device.bootId,
      atMs: Math.max(0, clock.now()),
      failedUnits: await device.failedUnits(),
      alive: evidence.alive.slice(0, 64),
      hadMesh: evidence.hasMesh,
      hadTelemetry: evidence.telemetry === "up",
    };
    await state.write("armed.json", armed);
    await control.stage(slot, candidate);
    log.info(`restarting into release ${candidate.version}`);
    await control.reboot();
  }

  async function tryOut(armed: Armed, signal: AbortSignal): Promise<void> {
    turn = await parts.takeTurn();
    const deadlineMs = await parts.trialDeadlineMs();
    const doors = { ...parts, now: clock.monotonic, deadlineMs };
    const isCommitted = await runTrial(armed, doors, (leftMs, waitsFor) => {
      known.trial = { leftMs, waitsFor };
      if (signal.aborted) throw signal.reason;
      tell(false);
    });
    if (!isCommitted) return;
    await turn?.done();
    turn = undefined;
    known.history = (await state.read("history.json")) ?? noHistory;
    known.life = { phase: "idle", checkAtMs: clock.monotonic() + parts.pace.firstCheckMs };
    await findEarlier();
    tell(true);
    wake();
  }

  /** Returns whether this boot goes on as usual. */
  async function actOnReturn(past: Return): Promise<boolean> {
    switch (past.kind) {
      case "none":
        return true;
      case "restart":
        await control.reboot();
        return false;
      case "arrived":
        await changeHistory((history) => withEnd(history, endOfReturn(past.leaving)));
        await state.write("leaving.json", undefined);
        return true;
      case "notDone":
        await state.write("leaving.json", undefined);
        return true;
    }
  }

  /** What the last trial leaves to do before anything else. Returns whether this boot goes on as usual. */
  async function act(past: Conclusion, signal: AbortSignal): Promise<boolean> {
    switch (past.kind) {
      case "none":
        return true;
      case "handMade":
        // Without its state the device cannot know whose trial this is.
        if (!device.isDataLost) return true;
        await control.markBad();
        await control.reboot();
        return false;
      case "trying":
        known.life = { phase: "trying", release: past.armed.to.version };
        trial = tryOut(past.armed, signal).catch((error: unknown) => {
          if (!signal.aborted) throw error;
        });
        return true;
      case "restart":
        known.life = { phase: "restarting", release: past.armed.to.version };
        await control.reboot();
        return false;
      case "notArmed":
        await state.write("armed.json", undefined);
        return true;
      case "committed":
        // Power may have failed in the middle of it.
        await control.commit();
        await settle(past.armed, state);
        known.history = (await state.read("history.json")) ?? noHistory;
        return true;
      case "failed":
      case "void": {
        const { armed, check } = past;
        const again = past.kind === "void" ? afterVoid(await state.read("wanted.json"), armed.to.version) : undefined;
        await changeHistory((history) => withEnd(history, endOf(armed, again ? "void" : "failed", check)));
        await state.write("wanted.json", again);
        await state.write("armed.json", undefined);
        if (!again) return true;
        const because = { code: check, message: checks[check] };
        const againAtMs = clock.monotonic() + voidPausesMs[again.voids!.count - 1]!;
        known.life = { phase: "waiting", wish: "install", because, failures: 0, againAtMs, release: armed.to.version };
        return true;
      }
    }
  }

  async function answerRequests(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      try {
        const request = await door.wait(report());
        failures = 0;
        if (request && !signal.aborted) dispatch({ kind: "asked", request });
      } catch (error) {
        log.debug(`no request: ${describeError(error)}`);
        await sleep(backoffMs(waitPauses, failures++, random()));
      }
    }
  }

  async function keepTime(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const due = dueAtMs(known.life) ?? Number.POSITIVE_INFINITY;
      const woken = new AbortController();
      wake = () => woken.abort();
      // Nothing is due later than in a day: then it only looks again.
      await sleep(Math.min(Math.max(0, due - clock.monotonic()), dayMs), woken.signal).catch(() => {});
      wake = () => {};
      if (!signal.aborted) dispatch({ kind: "tick" });
    }
  }

  return {
    async run(signal) {
      signal.addEventListener("abort", () => wake(), { once: true });
      if (!(await act(conclusion, signal)) || !(await actOnReturn(returned))) return;
      await findEarlier();
      // An installation that power or a restart of the updater cut off goes on.
      if (known.life.phase === "idle" && (await state.read("wanted.json")))
        dispatch({ kind: "asked", request: { kind: "now" } });
      await Promise.all([answerRequests(signal), keepTime(signal), trial]);
    },
  };
}

const asFinal = ({ code, message, hint, cause }: HamletError) =>
  new HamletError(code, message, { ...(hint !== undefined && { hint }), exitCode: 3, cause });

const dataLost = () =>
  new HamletError("update.dataLost", "the data partition could not be mounted", {
    hint: "restart the device",
    exitCode: 3,
  });

function troubleOf(error: unknown): UpdateTrouble {
  const { code, message, hint } =
    error instanceof HamletError
      ? error
      : { code: "update.writeFailed", message: describeError(error), hint: undefined };
  return { code, message: message.slice(0, 500), ...(hint !== undefined && { hint: hint.slice(0, 500) }) };
}
