// Why a device does not restart yet: on what it waits, since when and, where that is known, until when.
// Pure. Times are monotonic.
import { crossedBy, currentOf, failuresOf, lackOf, progressOf } from "./course.ts";
import {
  blocks,
  dayMs,
  type Held,
  holdOf,
  maxDelayMs,
  type Place,
  type Ranking,
  rank,
  type Stuck,
  weightOf,
} from "./ranking.ts";
import { isStill, maxBusyMs, troubleTimes, workOf } from "./trouble.ts";
import { type Busy, type Denial, type KnownOrder, listenMs, type View } from "./view.ts";
import { hoursOf } from "./window.ts";

type Times = { sinceMs: number; untilMs?: number | undefined };
export type Wait = Times &
  (
    | { on: "rollout"; rollout: string }
    | { on: "operator"; operators: readonly string[]; because?: KnownOrder["because"] }
    | { on: "failures"; devices: readonly string[] }
    /** The devices of an earlier wave, which is not over. */
    | { on: "wave"; wave: number; devices: readonly string[] }
    | { on: "soak"; wave: number }
    | { on: "hold"; reason: string }
    | { on: "window"; window: string; zone?: string | undefined }
    | { on: "absence"; device: string }
    /** There, and has said nothing of the rollout: it may not know of it. */
    | { on: "word"; device: string }
    | { on: "restart"; device: string }
    | { on: "turn"; device: string }
    | ({ on: "lease"; because: Denial["by"] } & Pick<Denial, "holder" | "awaits">)
    | { on: "bytes"; doneBytes: number; totalBytes: number }
    /** `device`: one that has told so; undefined for this one. */
    | { on: "updater"; code: string; device?: string }
    | { on: "people"; what: Busy["what"]; who?: string | undefined; device?: string }
    /** The device has just started, and has yet to hear what happened meanwhile. */
    | { on: "news" }
  );

/** A device whose turn it is may need a moment before it asks for the lease; then the next one may. */
const patienceMs = 20_000;
/** However often one of them goes and comes back, which gives it its moment again. */
const mostPatienceMs = 2 * patienceMs;
/** A denial of long ago was another wait. */
const freshMs = 60_000;

/**
 * Why nobody may go on; undefined while the rollout runs. Who has not come back in time stops it too, until its word comes after all: it
 * may be this device that hears nobody.
 */
export function stopOf(
  view: View,
  { order, operators, because, sinceMs: heardMs }: KnownOrder,
  ranking: Ranking,
  nowMs: number,
): Wait | undefined {
  const progress = progressOf(view, order.rollout, nowMs);
  if (because || order.state === "paused") {
    const { heard, waveSinceMs } = progress;
    // The number outlives a restart of this device; why it counts as a pause is heard anew.
    const numberMs = !because && heard?.number === order.number ? heard.sinceMs : undefined;
    const sinceMs = numberMs ?? heardMs ?? waveSinceMs;
    return { on: "operator", operators, because, sinceMs };
  }
  const failed = failuresOf(ranking.places);
  const crossed = crossedBy(ranking, order, progress.wave, failed);
  if (!crossed && progress.pausedAt !== order.number) return undefined;
  const devices = crossed ?? failed;
  const since = devices.flatMap(({ standing }) => (standing.kind === "failed" ? [standing.sinceMs] : []));
  // Those that failed may be gone, or have taken it back.
  const sinceMs = since.length > 0 ? Math.min(...since) : (progress.pausedSinceMs ?? progress.waveSinceMs);
  return { on: "failures", devices: devices.map(({ id }) => id), sinceMs };
}

/** Why the wave that is under way has not ended. */
export function waveWait(view: View, { order }: KnownOrder, ranking: Ranking, nowMs: number): Wait | undefined {
  const { wave, waveSinceMs: sinceMs } = progressOf(view, order.rollout, nowMs);
  if (ranking.heldBack) return holdWait(ranking.heldBack);
  if (progressOf(view, order.rollout, nowMs).hasNobody) return nobodyWait(ranking);
  const lack = lackOf(ranking, order, wave, nowMs);
  switch (lack?.kind) {
    case undefined:
      return undefined;
    case "devices": {
      const [first] = lack.places;
      const areStuck = lack.places.every(({ standing }) => standing.kind === "stuck");
      if (areStuck && first?.standing.kind === "stuck") return stuckWait(first.id, first.standing);
      return { on: "wave", wave, devices: lack.places.map(({ id }) => id), sinceMs };
    }
    case "threshold":
      return { on: "failures", devices: failuresOf(ranking.places).map(({ id }) => id), sinceMs };
    case "soak":
      return { on: "soak", wave, sinceMs: lack.sinceMs, untilMs: lack.untilMs };
  }
}

/** Those who lack the release are away for long, or cannot begin: the first of them that is back is the canary. */
function nobodyWait({ aside }: Ranking): Wait | undefined {
  for (const { id, standing } of aside) if (standing.kind === "stuck") return stuckWait(id, standing);
  for (const { id: device, standing } of aside)
    if (standing.kind === "passedOver") return { on: "absence", device, sinceMs: standing.sinceMs };
  for (const { id: device, standing } of aside)
    if (standing.kind === "silent") return { on: "word", device, sinceMs: standing.sinceMs };
  return undefined;
}

const holdWait = ({ sinceMs, untilMs, reason }: Held): Wait => ({ on: "hold", reason, sinceMs, untilMs });

function stuckWait(device: string, { check, sinceMs, isPassedOver }: Stuck): Wait {
  const times = { sinceMs, ...(!isPassedOver && { untilMs: sinceMs + dayMs }) };
  const what = workOf(check);
  return what ? { on: "people", what, device, ...times } : { on: "updater", code: check, device, ...times };
}

/** Why the device at this place has to wait, as far as any member can tell. */
export function outerWait(
  view: View,
  known: KnownOrder,
  ranking: Ranking,
  place: Place,
  nowMs: number,
): Wait | undefined {
  const { order } = known;
  const progress = progressOf(view, order.rollout, nowMs);
  const { standing } = place;
  if (standing.kind === "silent") return { on: "word", device: place.id, sinceMs: standing.sinceMs };
  if (standing.kind === "stuck") return stuckWait(place.id, standing);
  if (standing.kind === "held") return holdWait(standing);
  if (standing.kind === "absent" || standing.kind === "passedOver") {
    return { on: "absence", device: place.id, sinceMs: standing.sinceMs, untilMs: standing.sinceMs + dayMs };
  }
  const stop = stopOf(view, known, ranking, nowMs);
  if (stop) return stop;
  if (place.wave === undefined)
    return { on: "wave", wave: order.waves.length, devices: [], sinceMs: progress.waveSinceMs };
  if (place.wave > progress.wave) return waveWait(view, known, ranking, nowMs);
  return undefined;
}

/** Nobody restarts while others are away, for whatever reason. */
export function outageWait(view: View, known: KnownOrder, ranking: Ranking, nowMs: number): Wait | undefined {
  const { updating, away } = outagesOf(view, known, ranking, nowMs);
  const [first, ...more] = [...updating, ...away];
  return first && 1 + more.length >= known.order.maxUnavailable ? first : undefined;
}

/**
 * How many devices may hold the lease at once. Whoever is away without one leaves that much fewer: two that ask together count it alike.
 * Who went away with a lease and said nothing yet counts twice until that lease ends, 20 min at most: this device does not know all
 * holders, and a place that it counted free too early might be taken twice.
 */
export function leasesAtOnce(view: View, nowMs: number): number {
  const known = currentOf(view);
  if (!known) return 1;
  const { order } = known;
  // Each of two that cannot hear of one another may take itself for the canary.
  if (order.waves[progressOf(view, order.rollout, nowMs).wave] === "canary") return 1;
  const { away } = outagesOf(view, known, rank(view, order, nowMs), nowMs);
  return Math.max(1, order.maxUnavailable - away.length);
}

/** The others that are not there. `updating`: under a lease of their own. */
function outagesOf(
  view: View,
  { order }: KnownOrder,
  ranking: Ranking,
  nowMs: number,
): { updating: Wait[]; away: Wait[] } {
  const { members, self } = view;
  const updating = ranking.places.flatMap(({ id, standing }): (Wait & { device: string })[] =>
    id !== self && standing.kind === "updating"
      ? [{ on: "restart", device: id, sinceMs: standing.sinceMs, untilMs: standing.untilMs }]
      : [],
  );
  const isUpdating = (id: string) => updating.some(({ device }) => device === id);
  const isPatient = progressOf(view, order.rollout, nowMs).delayedMs < maxDelayMs;
  const away = [...members.values()].flatMap((member): Wait[] => {
    const { id, absentSinceMs: sinceMs } = member;
    if (id === self || sinceMs === undefined || !isPatient || !blocks(member, nowMs) || isUpdating(id)) return [];
    return [{ on: "absence", device: id, sinceMs, untilMs: sinceMs + dayMs }];
  });
  return { updating, away };
}

/** Undefined if this device may restart, or ask for the lease if it has none. */
export function ownWait(view: View, nowMs: number, hasLease = false): Wait | undefined {
  const known = currentOf(view);
  if (!known) return undefined;
  const ranking = rank(view, known.order, nowMs);
  const own = [...ranking.places, ...ranking.aside].find(({ id }) => id === view.self);
  if (!own) return undefined;
  return (
    outerWait(view, known, ranking, own, nowMs) ??
    preparationWait(view, known, nowMs) ??
    outageWait(view, known, ranking, nowMs) ??
    hoursWait(view, known, nowMs) ??
    peopleWait(view, nowMs) ??
    (nowMs < view.listenUntilMs
      ? { on: "news", sinceMs: view.listenUntilMs - listenMs, untilMs: view.listenUntilMs }
      : undefined) ??
    (hasLease ? undefined : (turnWait(view, known, ranking, nowMs) ?? leaseWait(view, nowMs)))
  );
}

/** The device has told that it begins. What others did or ordered meanwhile counts. */
export function mayRestart(view: View, nowMs: number): boolean {
  const { own, self } = view;
  if (own.step !== "away" || currentOf(view)?.order.rollout !== own.rollout) return false;
  // Whoever has begun counts as that, held or not.
  return !holdOf(view, self, nowMs) && !ownWait(view, nowMs, true);
}

function preparationWait(view: View, { order }: KnownOrder, nowMs: number): Wait | undefined {
  const { updater } = view;
  const sinceMs = sinceOf("bytes", view, nowMs);
  if (isStill(view, nowMs)) return { on: "updater", code: view.trouble!.code, ...troubleTimes(view, order, nowMs) };
  switch (updater.phase) {
    case "ready":
      if (updater.release === order.release) return undefined;
      break;
    case "preparing":
      return { on: "bytes", doneBytes: updater.doneBytes, totalBytes: updater.totalBytes, sinceMs };
    case "refusing":
      return { on: "updater", code: updater.code, ...troubleTimes(view, order, nowMs) };
    case "none":
    case "silent":
      return { on: "updater", code: "update.noUpdater", ...troubleTimes(view, order, nowMs) };
    case "free":
    case "busy":
    case "restarting":
    case "trying":
      break;
  }
  return { on: "bytes", doneBytes: 0, totalBytes: 0, sinceMs };
}

const sinceOf = (on: "bytes" | "window", { waiting }: View, nowMs: number): number =>
  waiting?.on === on ? waiting.sinceMs : nowMs;

function hoursWait(view: View, { order: { window } }: KnownOrder, nowMs: number): Wait | undefined {
  const hours = hoursOf(window, view.clock, nowMs);
  const times = { sinceMs: sinceOf("window", view, nowMs), untilMs: hours.untilMs };
  return hours.isOpen ? undefined : { on: "window", window: window!, zone: view.clock.zone, ...times };
}

function peopleWait({ busy }: View, nowMs: number): Wait | undefined {
  if (!busy || nowMs - busy.sinceMs >= maxBusyMs) return undefined;
  return { on: "people", what: busy.what, who: busy.who, sinceMs: busy.sinceMs, untilMs: busy.sinceMs + maxBusyMs };
}

/** In order of rank, but nobody waits long for one who does not ask; whoever others depend on waits until those are done. */
function turnWait(view: View, { order }: KnownOrder, { places }: Ranking, nowMs: number): Wait | undefined {
  const { wave } = progressOf(view, order.rollout, nowMs);
  const at = places.findIndex(({ id }) => id === view.self);
  const open = ({ standing }: Place) => ["waiting", "absent", "stuck"].includes(standing.kind);
  const before = places.slice(0, at).filter((place) => open(place) && (place.wave ?? Number.POSITIVE_INFINITY) <= wave);
  const [first] = before;
  if (!first) return undefined;
  const { movedAtMs, turnSinceMs: sinceMs = movedAtMs } = view;
  const weight = weightOf(places[at]!.member.duties);
  const lighter = before.find(({ member }) => weightOf(member.duties) < weight);
  // One that comes and goes is neither away for a day nor silent for two.
  const longestMs = sinceMs + maxDelayMs;
  if (lighter && nowMs < longestMs) return { on: "turn", device: lighter.id, sinceMs, untilMs: longestMs };
  const { length } = before;
  const untilMs = Math.min(movedAtMs + length * patienceMs, sinceMs + length * mostPatienceMs);
  return nowMs < untilMs ? { on: "turn", device: first.id, sinceMs, untilMs } : undefined;
}

/** It asks once more, and still waits for what was in the way the last time. */
export const askingWait = (view: View): Wait | undefined =>
  view.own.step === "asking" && view.denial && view.own.sinceMs - view.denial.askAgainAtMs < freshMs
    ? waitOfDenial(view.denial)
    : undefined;

const leaseWait = ({ denial }: View, nowMs: number): Wait | undefined =>
  denial && nowMs < denial.askAgainAtMs ? waitOfDenial(denial) : undefined;

function waitOfDenial(denial: Denial): Wait {
  const { by: because, holder, awaits, sinceMs, untilMs } = denial;
  return { on: "lease", because, holder, awaits, sinceMs, untilMs };
}
