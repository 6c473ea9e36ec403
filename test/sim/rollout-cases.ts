// What must hold of a rollout, whatever happens meanwhile: one seed is one run, and says what went wrong in it.
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
  // Each wave soaks once, and each device is away once.
  const boundMs = order.waves.length * order.soakSeconds * 1000 + town.devices.length * 3.5 * minuteMs;
  return [town, { problems, tookMs, boundMs, updated: town.updated(), tried: town.tried.length, failed: town.failed }];
}

const everyThird = (seed: number) => (turn: number) => (turn + seed) % 3 === 2;

function good(size: number, seed: number): Outcome {
  const [town, outcome] = run({ size, seed, loss: (seed % 4) / 10, isTroubled: true, fails: () => false });
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

export const cases = { good, bad, rare };
export const commandOf = (name: CaseName, size: number, seed: number): string =>
  `npm run sim:rollout -- --case ${name} --size ${size} --seed ${seed}`;
