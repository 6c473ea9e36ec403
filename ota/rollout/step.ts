// What this device does next about rollouts.
// Pure: what it hears and the monotonic time go in; what it knows then, and what agent/rollout/ has to do, come out.
import { advance, crossedBy, currentOf, failuresOf, lackOf, progressOf } from "./course.ts";
import { answerAt, hearHolds } from "./holds.ts";
import { endOwn, givenUpAtMs, giveUp } from "./own.ts";
import { blocks, dayMs, maxDelayMs, type Place, type Ranking, rank, silentAt } from "./ranking.ts";
import { hearRoots } from "./roots.ts";
import { troubleAfter, troubleDueAtMs } from "./trouble.ts";
import type { Effect, Event, HeardNumber, KnownOrder, Member, Order, Progress, View } from "./view.ts";
import { outerWait, ownWait, stopOf, type Wait, waveWait } from "./wait.ts";
import { hoursOf } from "./window.ts";
import { hearWord, isProgress, isStuck, say } from "./words.ts";

export type Step = [View, Effect[]];

/** A request that the updater did not take is repeated, and a lease that was denied asked for again. */
const againMs = 60_000;
/** An updater that has refused has its own pauses, and asking it again ends them: each time it looks anew and writes to the card. */
const refusedAgainMs = 60 * 60_000;
const askAgainMs = 10_000;
/** Each asking costs voters a write. A holder that gives the lease back is away for minutes. */
const mostAskAgainMs = 120_000;
/** A device that slept counts no more than that at once. */
const maxCountMs = 10 * 60_000;

export function step(view: View, event: Event, nowMs: number): Step {
  const [heard, first] = hear(view, event, nowMs);
  const [ended, second] = endOwn(heard, nowMs);
  const [judged, third] = judge(ended, nowMs);
  const [acted, fourth] = act(judged, nowMs);
  return [remember(acted, nowMs), [...first, ...second, ...third, ...fourth]];
}

/** A look at the status may come at any time, and tells since when it has been so. */
function remember(view: View, nowMs: number): View {
  const wait = ownWait(view, nowMs)?.on;
  const on = wait === "bytes" || wait === "window" ? wait : undefined;
  const turnSinceMs = turnSince(view, wait, nowMs);
  const isSame = view.waiting?.on === on && view.turnSinceMs === turnSinceMs;
  return isSame
    ? view
    : { ...view, turnSinceMs, waiting: view.waiting?.on === on ? view.waiting : on && { on, sinceMs: nowMs } };
}

/** Others that come and go, and askings that are denied, do not begin it anew; whoever restarts meanwhile does. */
function turnSince({ turnSinceMs }: View, wait: Wait["on"] | undefined, nowMs: number): number | undefined {
  if (wait === "turn") return turnSinceMs ?? nowMs;
  return wait === undefined || wait === "lease" || wait === "absence" ? turnSinceMs : undefined;
}

/** When a tick changes something; undefined if only news can. */
export function dueAtMs(view: View, nowMs: number): number | undefined {
  const known = currentOf(view);
  if (!known) return undefined;
  const { own, listenUntilMs, preparedAtMs, updater, results, self } = view;
  const said = results.get(self);
  const pauseMs = pauseOf(updater, known.order.release);
  const ranking = rank(view, known.order, nowMs);
  const deadlines = ranking.places.flatMap(({ standing }) => {
    if (standing.kind === "updating") return [standing.untilMs];
    return standing.kind === "stuck" ? [standing.sinceMs + dayMs] : [];
  });
  const wait = ownWait(view, nowMs);
  const whole = waveWait(view, known, ranking, nowMs);
  const times = [
    ...deadlines,
    ...[
      silentAt(view, known.order),
      troubleDueAtMs(view, known.order, nowMs),
      said && isStuck(said) ? said.heardAtMs + dayMs : undefined,
      wait?.untilMs,
      view.denial?.askAgainAtMs,
      whole?.untilMs,
      preparedAtMs === undefined ? undefined : preparedAtMs + pauseMs,
    ],
    ...[nowMs < listenUntilMs ? listenUntilMs : undefined, own.step === "away" ? givenUpAtMs(view, own) : undefined],
  ];
  const due = times.flatMap((time) => (time !== undefined && time > nowMs ? [time] : []));
  return due.length === 0 ? undefined : Math.min(...due);
}

function hear(view: View, event: Event, nowMs: number): Step {
  switch (event.kind) {
    case "orders":
      return [
        {
          ...view,
          orders: hearOrders(view.orders, event.orders, nowMs),
          holds: hearHolds(view.holds, event.holds, nowMs),
        },
        [],
      ];
    case "members":
      return [hearMembers(view, event.members, nowMs), []];
    case "result": {
      const { result } = event;
      const before = view.results.get(result.device);
      if (before?.said === result.said && before.rootHash === undefined && result.rootHash !== undefined) {
        // This device's own word before it was signed, or one that the release before had kept.
        const whole = { ...before, rootHash: result.rootHash };
        return [{ ...view, results: new Map(view.results).set(result.device, whole) }, []];
      }
      if (before && before.said >= result.said) return [view, []];
      const results = new Map(view.results).set(result.device, hearWord(view, result, nowMs));
      return [{ ...view, results, movedAtMs: nowMs }, []];
    }
    case "granted":
      return granted(view, nowMs);
    case "denied": {
      const { by, holder, awaits, untilMs } = event;
      if (view.own.step !== "asking") return [view, []];
      const before = view.denial;
      // One of yesterday, before the hours ended, is another wait.
      const isSame = before?.by === by && before.holder === holder && nowMs - before.askAgainAtMs < againMs;
      const sinceMs = isSame ? before.sinceMs : nowMs;
      const pauseMs = Math.min(Math.max(askAgainMs, nowMs - sinceMs), mostAskAgainMs);
      const denial = { by, holder, awaits, untilMs, sinceMs, askAgainAtMs: nowMs + pauseMs };
      return [{ ...view, denial, own: { step: "resting" } }, []];
    }
    case "leaseLost":
      return [view.own.step === "asking" ? { ...view, own: { step: "resting" } } : view, []];
    case "unasked":
      return giveUp(view, nowMs);
    case "updater":
      return [
        {
          ...view,
          updater: event.updater,
          ended: event.ended,
          trouble: troubleAfter(view.trouble, event.updater, nowMs),
          roots: hearRoots(view.roots, event.roots ?? [], nowMs),
        },
        [],
      ];
    case "busy":
      return [{ ...view, busy: event.busy }, []];
    case "clock":
      return [{ ...view, clock: event.moment, answeredAtMs: answerAt(view, event.moment) }, []];
    case "tick":
      return [view, []];
  }
}

const hearOrders = (before: readonly KnownOrder[], orders: readonly KnownOrder[], nowMs: number): KnownOrder[] =>
  orders.map((known) => {
    const { order, because } = known;
    const isSame = (one: KnownOrder) =>
      one.order.rollout === order.rollout && one.order.number === order.number && one.because === because;
    return { ...known, sinceMs: before.find(isSame)?.sinceMs ?? nowMs };
  });

function hearMembers(view: View, all: readonly Member[], nowMs: number): View {
  const members = new Map(all.map((member) => [member.id, member]));
  const isSame = (member: Member) => {
    const before = view.members.get(member.id);
    return before !== undefined && (before.absentSinceMs === undefined) === (member.absentSinceMs === undefined);
  };
  const hasMoved = all.length !== view.members.size || !all.every(isSame);
  return { ...view, members, ...(hasMoved && { movedAtMs: nowMs }) };
}

/** Under the lease everything is judged again: between asking and holding it others may have gone or come. */
function granted(view: View, nowMs: number): Step {
  const known = currentOf(view);
  const isMine = view.own.step === "asking" && known?.order.rollout === view.own.rollout;
  if (!isMine || ownWait(view, nowMs, true)) {
    return [view.own.step === "asking" ? { ...view, own: { step: "resting" } } : view, [{ kind: "releaseLease" }]];
  }
  const { rollout, number: order, release } = known.order;
  const { trialSeconds } = view;
  const lastEndWallMs = view.ended?.atWallMs ?? 0;
  const own: View["own"] = {
    step: "away",
    ...{ rollout, order, release, trialSeconds, lastEndWallMs, sinceMs: nowMs },
  };
  const [said, publish] = say(view, { rollout, order, release, outcome: "began", trialSeconds }, nowMs);
  return [{ ...said, own, denial: undefined }, [publish, { kind: "restart", release }]];
}

/** How far each rollout is, and whether a threshold is crossed. */
function judge(view: View, nowMs: number): Step {
  const countedMs = Math.min(nowMs - (view.countedAtMs ?? nowMs), maxCountMs);
  const isListening = nowMs < view.listenUntilMs;
  const known = currentOf(view);
  const kept = new Map([...view.progress].filter(([id]) => view.orders.some(({ order }) => order.rollout === id)));
  // A device that has just started has yet to hear what was ordered.
  const isSame = isListening || kept.size === view.progress.size;
  const counting = { ...view, countedAtMs: nowMs, progress: isSame ? view.progress : kept };
  if (!known || isListening) return [counting, []];
  const { order } = known;
  const next = hearNumbers(counting, order, nowMs);
  const ranking = rank(next, order, nowMs);
  const before = progressOf(next, order.rollout, nowMs);
  const isStopped = stopOf(next, known, ranking, nowMs) !== undefined;
  const isDelaying = !before.isFinished && before.delayedMs < maxDelayMs && !isStopped;
  const isAway = isDelaying && [...next.members.values()].some((member) => blocks(member, nowMs));
  const isSoaking = lackOf(ranking, order, before.wave, nowMs)?.kind === "soak";
  // Whoever comes and goes, or is away each night, delays it also while it is there.
  const wasAway = isDelaying && !isSoaking && wasAwayLast(next, order, nowMs);
  const isDelayed =
    isAway || wasAway || (isDelaying && ranking.places.some(({ standing }) => standing.kind === "stuck"));
  const isOutage = isAway && !isSoaking && hoursOf(order.window, view.clock, nowMs).isOpen;
  const away = isOutage ? { ...before, awayAtMs: nowMs } : before;
  const counted = isDelayed && countedMs > 0 ? { ...away, delayedMs: away.delayedMs + countedMs } : away;
  // Nobody restarts then, so nobody has anything to say.
  const isHushed = isStopped || isSoaking || isAway || ranking.heldBack !== undefined;
  let judged = put(next, order.rollout, isHushed ? { ...counted, quietSinceMs: nowMs } : counted);
  for (;;) {
    const progress = progressOf(judged, order.rollout, nowMs);
    const stopped = stopOf(judged, known, ranking, nowMs);
    const after = stopped ? pause(progress, order, ranking, nowMs) : advance(progress, ranking, order, nowMs);
    if (after === progress) return [judged, []];
    judged = put(judged, order.rollout, after);
  }
}

/** Nothing has come of the rollout since somebody was away. */
function wasAwayLast({ progress, results }: View, { rollout }: Order, nowMs: number): boolean {
  const awayAtMs = progress.get(rollout)?.awayAtMs;
  if (awayAtMs === undefined || nowMs - awayAtMs >= dayMs) return false;
  return ![...results.values()].some((word) => isProgress(word, rollout) && word.heardAtMs > awayAtMs);
}

/** What this device heard while it only listened it has heard by now. */
function hearNumbers(view: View, current: Order, nowMs: number): View {
  return view.orders.reduce((heard, { order }) => {
    const { rollout, number } = order;
    const progress = rollout === current.rollout ? progressOf(heard, rollout, nowMs) : heard.progress.get(rollout);
    if (!progress || progress.heard?.number === number) return heard;
    const failed = failedBy(heard, order, nowMs);
    return put(heard, rollout, { ...progress, heard: { number, sinceMs: nowMs, failed } });
  }, view);
}

function failedBy(view: View, order: Order, nowMs: number): HeardNumber["failed"] {
  const { places, aside } = rank(view, order, nowMs);
  // Whoever is late only by now was still waited for by those who signed the number.
  const wasSeen = ({ standing }: Place) => standing.kind === "failed" && (standing.isSaid || standing.sinceMs < nowMs);
  return [...places, ...aside].filter(wasSeen).map(({ id }) => ({ device: id, said: view.results.get(id)!.said }));
}

/** For good under this number, if devices have said themselves that they failed. */
function pause(progress: Progress, order: Order, ranking: Ranking, nowMs: number): Progress {
  if (order.state !== "running" || progress.pausedAt === order.number) return progress;
  const isSaid = ({ standing }: Place) => standing.kind === "failed" && standing.isSaid;
  const said = failuresOf(ranking.places).filter(isSaid);
  return crossedBy(ranking, order, progress.wave, said)
    ? { ...progress, pausedAt: order.number, pausedSinceMs: nowMs }
    : progress;
}

function put(view: View, rollout: string, progress: Progress): View {
  if (view.progress.get(rollout) === progress) return view;
  return { ...view, progress: new Map(view.progress).set(rollout, progress) };
}

/** Prepares the release once its wave has come, and asks for the lease once nothing else is in the way. */
function act(view: View, nowMs: number): Step {
  const known = currentOf(view);
  if (!known || view.own.step !== "resting" || nowMs < view.listenUntilMs) return [view, []];
  const ranking = rank(view, known.order, nowMs);
  const own = [...ranking.places, ...ranking.aside].find(({ id }) => id === view.self);
  const kind = own?.standing.kind;
  if (!own || (kind !== "waiting" && kind !== "stuck")) return [view, []];
  // The others have gone on, and it still tries.
  const inTheWay = kind === "stuck" ? stopOf(view, known, ranking, nowMs) : outerWait(view, known, ranking, own, nowMs);
  if (inTheWay) return [view, []];
  const { release, rollout } = known.order;
  if (needsPreparation(view, release, nowMs)) return [{ ...view, preparedAtMs: nowMs }, [{ kind: "prepare", release }]];
  if (ownWait(view, nowMs)) return [view, []];
  return [{ ...view, own: { step: "asking", rollout, sinceMs: nowMs } }, [{ kind: "askLease" }]];
}

function needsPreparation({ updater, preparedAtMs }: View, release: string, nowMs: number): boolean {
  const isRecent = preparedAtMs !== undefined && nowMs - preparedAtMs < pauseOf(updater, release);
  switch (updater.phase) {
    case "free":
    case "refusing":
      return !isRecent;
    case "ready":
      return updater.release !== release && !isRecent;
    case "none":
    case "silent":
    case "busy":
    case "preparing":
    case "restarting":
    case "trying":
      return false;
  }
}

/** Between two requests to prepare a release. */
function pauseOf(updater: View["updater"], release: string): number {
  if (updater.phase !== "refusing" || updater.isReady) return againMs;
  const isAnother = updater.release !== undefined && updater.release !== release;
  return isAnother ? againMs : refusedAgainMs;
}
