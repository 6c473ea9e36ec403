// One run of the simulator: a neighborhood in which much goes wrong, and what holds of it nevertheless.
// A run depends on nothing but its options: the same ones give the same history.
import { sample } from "../../system/random.ts";
import { accuser, hostile, shouter } from "./malice.ts";
import { Neighborhood } from "./neighborhood.ts";

export type WorldOptions = {
  members: number;
  loss: number;
  seed: number;
  hostile: number;
  /** Minutes of trouble. In each, some lose power and come back, some stall, clocks leap; in every third a partition. */
  minutes: number;
};
export type Outcome = {
  /** For each member that lost power: how long until it was dead to every honest member that runs and does not stall. */
  deathsMs: number[];
  /** Times that a member which answers was dead to an honest one, and the longest of them. */
  falseDeaths: number;
  longestFalseMs: number;
  /** How long after the trouble until nobody who runs was dead to anyone. */
  calmAfterMs: number | undefined;
  bytesPerSecond: number;
  steps: number;
  problems: string[];
};

const MINUTE_MS = 60_000;
const PARTITION_MS = 30_000;
const DELAY_MS: [number, number] = [1, 40];
/** The dead are knocked at once a minute at least. */
const LASTING_MS = 75_000;
const CALM_MS = 180_000;
const LOOK_MS = 250;
const TELL_MS = 10_000;

export const commandOf = ({ members, loss, seed, hostile: bad, minutes }: WorldOptions): string =>
  `npm run sim -- --members ${members} --loss ${loss} --seed ${seed} --hostile ${bad} --minutes ${minutes}`;

export function runWorld(o: WorldOptions, tell: (line: string) => void = () => {}): Outcome {
  const town = new Neighborhood({ size: o.members, seed: o.seed, loss: o.loss, delayMs: DELAY_MS });
  const random = { seed: o.seed };
  const honest = [...town.bodies.keys()].slice(o.hostile);
  const pass = passing(town, tell);
  town.acquaint();
  for (let index = 0; index < o.hostile; index++) {
    town.corrupt(index, hostile(1_000, accuser(sample(random, honest, 2)), shouter));
  }
  pass(MINUTE_MS / 2);
  const [before, startedAt] = [town.bytes, town.now];
  const deathsMs: number[] = [];
  const problems: string[] = [];
  const isDead = (victim: number) => () => {
    const awake = honest.filter((index) => !town.isStalled(index));
    return town.agree(victim, "dead", awake);
  };
  for (let minute = 1; minute <= o.minutes; minute++) {
    const [victim = 0, stalled = 0, leaping = 0] = sample(random, honest, 3);
    town.kill(victim);
    if (o.members > 3) town.stall(stalled, 2_000 + 20_000 * town.draw());
    if (o.members > 3) town.leap(leaping, MINUTE_MS);
    const isParted = minute % 3 === 0;
    if (isParted) {
      tell(`minute ${minute}: a partition`);
      partition(town, random);
      pass(PARTITION_MS);
    } else {
      const deathMs = passUntil(town, pass, isDead(victim), 2 * MINUTE_MS);
      if (deathMs !== undefined) deathsMs.push(deathMs);
      else problems.push(`minute ${minute}: the death of member ${victim} is not known to all`);
      tell(
        `minute ${minute}: a death ${deathMs === undefined ? "not known to all" : `known after ${deathMs / 1_000} s`}`,
      );
    }
    town.heal();
    town.restart(victim);
    pass(Math.max(0, startedAt + minute * MINUTE_MS - town.now));
  }
  const bytesPerSecond = ((town.bytes - before) / (town.now - startedAt)) * (1_000 / o.members);
  const calmAfterMs = passUntil(town, pass, () => town.isCalm(honest), CALM_MS);
  if (calmAfterMs === undefined) problems.push("members who run are dead to others at the end");
  const longestFalseMs = town.longestFalse();
  if (longestFalseMs > LASTING_MS) problems.push(`a member that answered was dead to another for ${longestFalseMs} ms`);
  const { steps, falseDeaths } = town;
  return { deathsMs, falseDeaths: falseDeaths.length, longestFalseMs, calmAfterMs, bytesPerSecond, steps, problems };
}

type Pass = (ms: number) => void;

/** Lets time pass, and tells of every tenth second: a large neighborhood takes minutes. */
function passing(town: Neighborhood, tell: (line: string) => void): Pass {
  let [tellAt, bytes] = [TELL_MS, 0];
  return (ms) => {
    for (const until = town.now + ms; town.now < until; ) {
      town.run(Math.min(until, tellAt) - town.now);
      if (town.now < tellAt) continue;
      const each = (town.bytes - bytes) / town.bodies.length / (TELL_MS / 1_000);
      tell(`${town.now / 1_000} s simulated: ${town.steps} steps, each sends ${each.toFixed(0)} bytes a second`);
      [tellAt, bytes] = [town.now + TELL_MS, town.bytes];
    }
  };
}

/** Returns how long that took, or undefined after `withinMs`. */
function passUntil(town: Neighborhood, pass: Pass, done: () => boolean, withinMs: number): number | undefined {
  for (const startedAt = town.now; ; pass(LOOK_MS)) {
    if (done()) return town.now - startedAt;
    if (town.now - startedAt >= withinMs) return undefined;
  }
}

function partition(town: Neighborhood, random: { seed: number }): void {
  const all = [...town.bodies.keys()];
  const left = new Set(sample(random, all, all.length >> 1));
  town.partition(
    [...left],
    all.filter((index) => !left.has(index)),
  );
}
