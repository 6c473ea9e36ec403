// What must hold of a rollout, whatever happens meanwhile: one seed is one run, and says what went wrong in it.
import { statusOf } from "../../ota/rollout/report.ts";
import type { Order } from "../../ota/rollout/view.ts";
import { minuteMs, RolloutTown, type TownOptions } from "./rollout-town.ts";

const dayMs = 24 * 60 * minuteMs;
export type Outcome = {
  problems: string[];
  tookMs: number;
  boundMs: number;
  updated: number;
  tried: number;
  failed: number;
};
export type CaseName = keyof typeof cases;

/** Power goes and comes back, agents restart, and the neighborhood falls in two. */
function trouble(town: RolloutTown): void {
  const again = () => {
    const at = Math.floor(town.draw() * town.devices.length);
    const what = town.draw();
    if (what < 0.6) {
      town.cut(at);
      town.after(minuteMs + town.draw() * 10 * minuteMs, () => town.restore(at));
    } else {
      const share = town.draw();
      town.partition(() => town.draw() < share);
      town.after(minuteMs + town.draw() * 20 * minuteMs, () => town.heal());
    }
    town.after((30 + town.draw() * 60) * minuteMs, again);
  };
  town.after(town.draw() * 10 * minuteMs, again);
}

function run(
  o: Omit<TownOptions, "order"> & { order?: TownOptions["order"]; isTroubled: boolean },
): [RolloutTown, Outcome] {
  const town = new RolloutTown({ order: {}, ...o });
  const order = town.order();
  if (o.isTroubled) trouble(town);
  const isOver = () =>
    town.isPaused() || town.devices.every(({ isUp, view }) => isUp && view.progress.get(order.rollout)?.isFinished);
  const tookMs = town.runUntil(isOver, 14 * dayMs) ?? Number.POSITIVE_INFINITY;
  const problems = [...town.problems];
  if (tookMs === Number.POSITIVE_INFINITY) problems.push("it has not ended after 14 days");
  const boundMs = boundOf(order, town.devices.length);
  return [town, { problems, tookMs, boundMs, updated: town.updated(), tried: town.tried.length, failed: town.failed }];
}

/** Each wave soaks once, and each device is away once; where there are hours, in as many nights as that takes. */
function boundOf({ waves, soakSeconds, window }: Order, size: number): number {
  const workMs = waves.length * soakSeconds * 1000 + size * 3.5 * minuteMs;
  if (window === undefined) return workMs;
  const [fromMs, toMs] = [night.fromMs, night.toMs];
  const nights = Math.floor(workMs / (toMs - fromMs));
  return fromMs + nights * dayMs + (workMs - nights * (toMs - fromMs));
}

const night = { window: "02:00-05:00", fromMs: 120 * minuteMs, toMs: 300 * minuteMs };

const everyThird = (seed: number) => (turn: number) => (turn + seed) % 3 === 2;

function good(size: number, seed: number): Outcome {
  const [town, outcome] = run({ size, seed, loss: (seed % 4) / 10, isTroubled: true, fails: () => false });
  if (town.updated() !== size) outcome.problems.push(`${town.updated()} of ${size} have the release at the end`);
  return outcome;
}

/** Only at night, from the first midnight on. */
function nightly(size: number, seed: number): Outcome {
  const order = { window: night.window };
  const isTroubled = seed % 2 === 0;
  const [town, outcome] = run({ size, seed, loss: (seed % 4) / 10, isTroubled, fails: () => false, order });
  if (town.updated() !== size) outcome.problems.push(`${town.updated()} of ${size} have the release at the end`);
  return outcome;
}

/** Nobody begins after the pause, however long one waits. */
function bad(size: number, seed: number): Outcome {
  const [town, outcome] = run({
    size,
    seed,
    loss: (seed % 4) / 10,
    isTroubled: seed % 2 === 0,
    fails: everyThird(seed),
  });
  const tried = town.tried.length;
  if (town.isPaused()) town.run(size >= 100 ? 30 * minuteMs : dayMs);
  if (town.isPaused() && town.tried.length !== tried) outcome.problems.push("a device began after the pause");
  if (size >= 100 && town.updated() * 20 >= size)
    outcome.problems.push(`${town.updated()} of ${size} have the bad release`);
  if (town.failed === 0 && size > 3) outcome.problems.push("no device met the failure");
  return outcome;
}

/** One in 200, at random: no reason to stop, unless it is the canary. */
function rare(size: number, seed: number): Outcome {
  const fails: TownOptions["fails"] = (turn, random) => {
    random.seed ^= turn;
    return turn > 0 && Math.imul(random.seed, 0x9e3779b1) >>> 0 < 2 ** 32 / 200;
  };
  const [town, outcome] = run({
    size,
    seed,
    loss: 0,
    isTroubled: false,
    fails,
    order: { maxFailures: undefined, successPercent: 95 },
  });
  if (town.updated() + town.failed !== size)
    outcome.problems.push(`it stopped at ${town.updated()} of ${size} with ${town.failed} failures`);
  return outcome;
}

const policy = { waves: ["canary" as const, 100], soakSeconds: 3_600, successPercent: 95, maxFailures: 1 };

/** A home without an operator, whose updaters find the release at different times; in every third one a device takes none by itself. */
function home(size: number, seed: number, isGood: boolean): Outcome {
  const isOut = (at: number) => seed % 3 === 0 && at === size - 1 && size > 1;
  const town = new RolloutTown({ size, seed, loss: (seed % 4) / 10, order: {}, fails: () => !isGood });
  const rollout = town.publish(policy, (at) => ({ isRefused: isOut(at) }));
  trouble(town);
  const isFinished = ({ isUp, view }: (typeof town.devices)[number], at: number) =>
    isUp && (isOut(at) || view.progress.get(rollout)?.isFinished === true);
  const tookMs = town.runUntil(() => town.isPaused() || town.devices.every(isFinished), 14 * dayMs);
  const problems = [...town.problems, ...(tookMs === undefined ? ["it has not ended after 14 days"] : [])];
  const wanted = isGood ? town.devices.filter((_, at) => !isOut(at)).length : 0;
  if (!isGood) town.run(dayMs);
  if (town.updated() !== wanted) problems.push(`${town.updated()} of ${size} have the release at the end`);
  const canaries = new Set(town.tried).size;
  if (!isGood && canaries > 1) problems.push(`${canaries} devices have tried the bad release`);
  const boundMs = 6 * 60 * minuteMs + policy.soakSeconds * 2_000 + size * 3.5 * minuteMs;
  const { length: tried } = town.tried;
  return { problems, tookMs: tookMs ?? dayMs, boundMs, updated: town.updated(), tried, failed: town.failed };
}
const homes = (size: number, seed: number) => home(size, seed, true);
const badHomes = (size: number, seed: number) => home(size, seed, false);

/** Everybody who lacks the release is away for two days, and comes back at about the same time. */
function deserted(size: number, seed: number): Outcome {
  const town = new RolloutTown({ size, seed, loss: 0, order: {}, alreadyThere: 1, fails: () => false });
  const others = [...town.devices.keys()].slice(1);
  for (const at of others) town.cut(at);
  const order = town.order();
  town.run(2 * dayMs);
  const problems = town.devices[0]!.view.progress.get(order.rollout)?.isFinished
    ? ["it has ended without anybody"]
    : [];
  for (const at of others) town.after(town.draw() * 60 * minuteMs, () => town.restore(at));
  const isDone = () => town.updated() === size && town.devices.every(({ isUp }) => isUp);
  const tookMs = town.runUntil(isDone, 14 * dayMs) ?? Number.POSITIVE_INFINITY;
  problems.push(...town.problems, ...(tookMs === Number.POSITIVE_INFINITY ? ["not all have the release"] : []));
  const { length: tried } = town.tried;
  return { problems, tookMs, boundMs: Number.POSITIVE_INFINITY, updated: town.updated(), tried, failed: 0 };
}

/**
 * Some are there and cannot prepare the release, for hours, for days or for good: the others name them and go on without them, and who can
 * in the end follows, the canary first in any case.
 */
function stuck(size: number, seed: number): Outcome {
  const kind = (at: number) => (seed * 7 + at * 5) % 4;
  const untilMs = (at: number) => [0, 5 * 60 * minuteMs, 4 * dayMs, Number.POSITIVE_INFINITY][kind(at)]!;
  const canEnd = (at: number) => untilMs(at) < Number.POSITIVE_INFINITY;
  const options = { size, seed, loss: (seed % 4) / 10, order: {}, fails: () => false, refusesUntilMs: untilMs };
  const town = new RolloutTown(options);
  const order = town.order();
  if (seed % 2 === 0) trouble(town);
  const wanted = [...town.devices.keys()].filter(canEnd).length;
  const isOver = () => town.updated() === wanted && town.devices.every(({ isUp }) => isUp) && town.now > 5 * dayMs;
  const tookMs = town.runUntil(isOver, 14 * dayMs) ?? Number.POSITIVE_INFINITY;
  const problems = [...town.problems];
  if (tookMs === Number.POSITIVE_INFINITY) problems.push(`${town.updated()} of ${wanted} who can have the release`);
  // Whoever restarts gets a moment to hear the others again.
  town.run(2 * dayMs);
  for (const [at, { id, isUp, view }] of town.devices.entries()) {
    if (!isUp) continue;
    const rows = statusOf(view, town.now)?.members ?? [];
    for (const [other, { id: of }] of town.devices.entries()) {
      const row = rows.find((one) => one.id === of);
      if (canEnd(other) || at === other || row?.waits?.on === "absence") continue;
      const isNamed = row?.standing === "passedOver" && row.waits?.on === "updater";
      if (!isNamed) problems.push(`${id} shows ${of} as ${row?.standing} (${row?.waits?.on})`);
    }
    const { isFinished, hasNobody } = view.progress.get(order.rollout) ?? {};
    if (!isFinished && !hasNobody) problems.push(`${id} still waits in wave ${view.progress.get(order.rollout)?.wave}`);
  }
  const { length: tried } = town.tried;
  return { problems, tookMs, boundMs: Number.POSITIVE_INFINITY, updated: town.updated(), tried, failed: 0 };
}

export const cases = { good, bad, rare, home: homes, badHome: badHomes, deserted, stuck, night: nightly };
/** Many neighborhoods, each with a seed of its own: `seed` is that of the first. `outcomes` says what became of each. */
export function manyHomes(name: CaseName, { homes, size, seed }: { homes: number; size: number; seed: number }) {
  return Array.from({ length: homes }, (_, at) => ({ seed: seed + at, ...cases[name](size, seed + at) }));
}

export const commandOf = (name: CaseName, size: number, seed: number): string =>
  `npm run sim:rollout -- --case ${name} --size ${size} --seed ${seed}`;
