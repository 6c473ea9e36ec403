// The updater: takes requests and time to step.ts, and has done what it decides.
import { isDeepStrictEqual } from "node:util";
import type { UpdateTrouble } from "../../provisioning/handover/update.ts";
import { describeError, HamletError } from "../../system/error.ts";
import { makeQueue } from "../../system/queue.ts";
import { makeAlarm } from "./alarm.ts";
import { conclude, concludeReturn } from "./conclude.ts";
import { makeDiskTurn } from "./disk-turn.ts";
import { makeHistory } from "./history.ts";
import { makeInstallation } from "./installation.ts";
import type { Effect, Event } from "./life.ts";
import { tryOut } from "./own-trial.ts";
import type { UpdaterParts } from "./parts.ts";
import { makePastTrial, type Next } from "./past-trial.ts";
import type { Knowledge } from "./report.ts";
import { takeRequests } from "./requests.ts";
import { tellRescue } from "./rescue.ts";
import { type Found, makeSearch, type Place } from "./search.ts";
import { forgetPrepared, noHistory, type State, type Wanted } from "./state.ts";
import { dueAtMs, step } from "./step.ts";
import { makeTeller } from "./teller.ts";
import { makeWayBack } from "./way-back.ts";

export type Updater = {
  /** Ends when the device restarts. Throws if it cannot act on a trial, and must be started again then. */
  run(signal: AbortSignal): Promise<void>;
};

export async function makeUpdater(parts: UpdaterParts): Promise<Updater> {
  const { control, state, device, clock, log, random, pace } = parts;
  const boot = await control.current();
  const armed = await state.read("armed.json");
  const hasPanicked = armed !== undefined && (await parts.marks.panicOf(armed.to.slot)) !== undefined;
  const handMade = await state.read("handMade.json");
  const past = {
    trial: conclude(boot, armed, { bootId: device.bootId, handMade, hasPanicked }),
    return: concludeReturn(boot, await state.read("leaving.json")),
  };
  const known: Knowledge = {
    running: { slot: boot.slot, version: device.version },
    life: { phase: "idle", checkAtMs: clock.monotonic() + pace.firstCheckMs },
    progress: undefined,
    trial: { leftMs: 0, waitsFor: [] },
    history: (await state.read("history.json")) ?? noHistory,
    checkedAtMs: undefined,
    newest: undefined,
    auto: undefined,
    verified: [],
    earlier: undefined,
    epochMs: 0,
  };
  const teller = makeTeller(parts, known);
  const turn = makeDiskTurn(parts);
  const history = makeHistory(parts, known, teller);
  const search = makeSearch(parts, known);
  const pastTrial = makePastTrial(parts, known, history);
  const installation = makeInstallation(parts, known, teller, turn);
  const wayBack = makeWayBack(parts, known, teller, turn, history);
  const alarm = makeAlarm(
    parts,
    () => dueAtMs(known.life),
    () => dispatch({ kind: "tick" }),
  );
  const wishes = keepWishes(state);
  const persist = makeQueue();
  let found: Found | undefined;

  function dispatch(event: Event): void {
    const before = known.life;
    const [life, effects] = step(before, event, pace, { now: clock.monotonic(), random: random() });
    known.life = life;
    if (life.phase !== before.phase) {
      known.progress = undefined;
      void teller.now();
    }
    // What failed is repeated where it was; every other check is of the repository, unless somebody names a folder.
    const usual = event.kind === "tick" && before.phase === "waiting" ? "again" : "repository";
    for (const effect of effects) perform(effect, usual);
    alarm.lookAgain();
  }

  function perform(effect: Effect, usual: Place): void {
    switch (effect.kind) {
      case "check":
        attempt(async () => {
          const { version: named } = effect;
          found = await search(effect.in ?? usual, named);
          const { manifest, refusal } = found;
          dispatch({
            ...{ kind: "found", release: manifest.version },
            ...(named !== undefined && { named }),
            ...(refusal && { refusal: troubleOf(refusal) }),
          });
        });
        break;
      case "install":
        attempt(async () => {
          await installation.write(found!).catch(async (error: unknown) => {
            // What failed before it wrote has left the way back.
            await wayBack.look();
            throw error;
          });
          if (known.life.phase === "installing" && known.life.wish === "prepare") await installation.keepReady();
          dispatch({ kind: "installed" });
        }, installation.hasAdvanced);
        break;
      case "verify":
        attempt(async () => {
          await installation.verify();
          dispatch({ kind: "verified" });
        });
        break;
      case "restart":
        attempt(installation.restart);
        break;
      case "goBack":
        attempt(wayBack.go);
        break;
      case "want":
        later(() => (effect.isWanted ? wishes.keep(effect.prepare) : wishes.forget()));
        break;
      case "forgetFailures":
        later(wishes.forget);
        later(() => history.change((ends) => ({ ...ends, failed: [] })));
        break;
      case "acknowledge": {
        // Nobody has seen a trial that ends just now.
        const [seen] = known.history.ends;
        later(() => history.change((now) => (now.ends[0]?.atMs === seen?.atMs ? { ...now, isSeen: true } : now)));
        break;
      }
    }
  }

  function later(act: () => Promise<void>): void {
    persist(act).catch((error: unknown) => log.error(describeError(error)));
  }

  function attempt(act: () => Promise<void>, hasAdvanced = () => false): void {
    // What was asked for is on the disk before it begins.
    persist(() => {})
      .then(act)
      .catch(async (error: unknown) => {
        await turn.end();
        log.warn(describeError(error));
        const isFinal = error instanceof HamletError && error.exitCode === 3;
        dispatch({ kind: "failed", trouble: troubleOf(error), isFinal, hasAdvanced: hasAdvanced() });
      });
  }

  async function judgeTrial(next: Exclude<Next, string>, signal: AbortSignal): Promise<void> {
    if ("inDoubt" in next) await pastTrial.resolve(next.inDoubt, signal);
    else if (await tryOut(next.trial, parts, { known, teller, turn, history }, signal)) await wayBack.look();
    else return;
    void teller.now();
    alarm.lookAgain();
  }

  /** Goes on with what power or a restart of the updater cut off. */
  async function goOn(): Promise<void> {
    const wanted = await state.read("wanted.json");
    const prepared = await state.read("prepared.json");
    if (wanted?.voids && !prepared) return pastTrial.waitAgain(wanted, wanted.voids.version);
    if (wanted && wanted.until !== "ready") return dispatch({ kind: "asked", request: { kind: "now" } });
    if (prepared) {
      const isVerified = prepared.bootId === device.bootId;
      return dispatch({ kind: "prepared", release: prepared.manifest.version, isVerified });
    }
    if (wanted) dispatch({ kind: "asked", request: { kind: "prepare", ...versionIn(wanted) } });
  }

  return {
    async run(signal) {
      const next = await pastTrial.conclude(past.trial);
      if (next === "restarts" || !(await wayBack.conclude(past.return))) return;
      await tellRescue(parts, known, history);
      await wayBack.look();
      if (known.life.phase === "idle") await goOn();
      await Promise.all([
        takeRequests(parts, teller, (request) => dispatch({ kind: "asked", request }), signal),
        alarm.run(signal),
        next === "asUsual" ? undefined : judgeTrial(next, signal),
      ]);
    },
  };
}

const versionIn = ({ version }: { version?: string }) => (version === undefined ? {} : { version });

/** Somebody's wish for an update, which outlives a restart. */
const keepWishes = (state: State) => ({
  /** Whoever wants no more than preparation does not end the wish for an installation. */
  async keep(prepare?: { version?: string }) {
    const wanted = await state.read("wanted.json");
    // The count of trials without a verdict stays.
    const { until, version: _, ...count } = wanted ?? {};
    const isInstall = !prepare || (wanted && until !== "ready");
    const next: Wanted = isInstall ? count : { ...count, until: "ready", ...versionIn(prepare) };
    // A rollout asks again and again, and each write wears the card.
    if (!isDeepStrictEqual(next, wanted)) await state.write("wanted.json", next);
  },
  async forget() {
    await state.write("wanted.json", undefined);
    await forgetPrepared(state);
  },
});

function troubleOf(error: unknown): UpdateTrouble {
  const { code, message, hint } =
    error instanceof HamletError
      ? error
      : { code: "update.writeFailed", message: describeError(error), hint: undefined };
  return { code, message: message.slice(0, 500), ...(hint !== undefined && { hint: hint.slice(0, 500) }) };
}
