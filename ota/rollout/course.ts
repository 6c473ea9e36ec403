// How far a rollout is: which one is current, which of its waves has ended, and whether it may go on.
// Pure.

import type { Place, Ranking, Standing } from "./ranking.ts";
import { autoOff, type KnownOrder, noProgress, type Order, type Progress, type View } from "./view.ts";

export const progressOf = (view: View, rollout: string, nowMs: number): Progress =>
  view.progress.get(rollout) ?? noProgress(nowMs);

/**
 * The oldest that goes on: a newer one waits for it. If none does, the newest of them is still there for whoever was away or held.
 */
export function currentOf({ orders, progress }: View): KnownOrder | undefined {
  const alive = orders.filter(({ order }) => order.state !== "aborted").toSorted((a, b) => byAge(a.order, b.order));
  const goesOn = ({ order }: KnownOrder) => {
    const { isFinished = false, hasNobody = false } = progress.get(order.rollout) ?? {};
    return !isFinished && !hasNobody;
  };
  return alive.find(goesOn) ?? alive.at(-1);
}

const byAge = (a: Order, b: Order) => a.startedAt - b.startedAt || (a.rollout < b.rollout ? -1 : 1);

/** Failures that count: those from before the rollout was resumed have no place any more. */
export const failuresOf = (places: readonly Place[]): Place[] =>
  places.filter(({ standing }) => standing.kind === "failed");

/**
 * Those whose failure crosses a threshold; undefined while none is crossed. `failed`: the failures to go by.
 */
export function crossedBy(
  { sizes }: Ranking,
  order: Order,
  wave: number,
  failed: readonly Place[],
): readonly Place[] | undefined {
  if (failed.length === 0) return undefined;
  if (order.maxFailures !== undefined && failed.length >= Math.max(1, order.maxFailures)) return failed;
  if (wave < order.promoted) return undefined;
  const at = Math.min(wave, sizes.length - 1);
  const inWave = failed.filter((place) => place.wave !== undefined && place.wave <= at);
  const size = sizes[at] ?? 0;
  return (size - inWave.length) * 100 < order.successPercent * size ? inWave : undefined;
}

/** What a wave still lacks. */
export type Lack =
  | { kind: "devices"; places: Place[] }
  /** Everybody is done, and the release has yet to prove itself. */
  | { kind: "soak"; sinceMs: number; untilMs: number }
  | { kind: "threshold" };

/** Undefined if the wave has ended. */
export function lackOf({ places, sizes }: Ranking, order: Order, wave: number, nowMs: number): Lack | undefined {
  const [size = 0, before = 0] = [sizes[wave], sizes[wave - 1]];
  if (size === before || wave < order.promoted) return undefined;
  const inWave = places.slice(0, size);
  const open = inWave.filter(({ standing }) => standing.kind !== "updated" && standing.kind !== "failed");
  if (open.length > 0) return { kind: "devices", places: open };
  const successes = inWave.flatMap(({ standing }) => (standing.kind === "updated" ? [standing.sinceMs] : []));
  const failures = failuresOf(inWave).length;
  if (successes.length * 100 < order.successPercent * (successes.length + failures)) return { kind: "threshold" };
  const sinceMs = Math.max(...successes, Number.NEGATIVE_INFINITY);
  const untilMs = sinceMs + order.soakSeconds * 1000;
  return nowMs < untilMs ? { kind: "soak", sinceMs, untilMs } : undefined;
}

/** The progress after this wave, if it has ended by now. */
export function advance(before: Progress, ranking: Ranking, order: Order, nowMs: number): Progress {
  // Waves that end without anybody would leave none for those who come back.
  if (isDeserted(before, ranking)) return before.hasNobody ? before : { ...before, hasNobody: true };
  if (before.hasNobody) return { ...before, hasNobody: undefined, waveSinceMs: nowMs };
  if (before.wave >= order.waves.length || ranking.heldBack || lackOf(ranking, order, before.wave, nowMs))
    return before;
  const wave = before.wave + 1;
  return { ...before, wave, waveSinceMs: nowMs, isFinished: wave >= order.waves.length };
}

/** Nobody takes part, and some may yet: they are away, cannot begin or know nothing of it so far, or an operator may ask who is not asked. */
export const isDeserted = ({ isFinished }: Progress, { places, aside }: Ranking): boolean =>
  !isFinished && places.length === 0 && aside.some(({ standing }) => mayCome(standing));

const mayCome = (standing: Standing): boolean =>
  standing.kind === "passedOver" ||
  standing.kind === "silent" ||
  standing.kind === "stuck" ||
  (standing.kind === "unfit" && standing.check === autoOff);
