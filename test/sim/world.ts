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

export const commandOf = ({ members, loss, seed, hostile: bad, minutes }: WorldOptions): string =>
  `npm run sim -- --members ${members} --loss ${loss} --seed ${seed} --hostile ${bad} --minutes ${minutes}`;

export function runWorld(o: WorldOptions, tell: (line: string) => void = () => {}): Outcome {
  const town = new Neighborhood({ size: o.members, seed: o.seed, loss: o.loss, delayMs: DELAY_MS });
  const random = { seed: o.seed };
  const honest = [...town.bodies.keys()].slice(o.hostile);
  town.acquaint();
  for (let index = 0; index < o.hostile; index++) {
    town.corrupt(index, hostile(1_000, accuser(sample(random, honest, 2)), shouter));
  }
  town.run(MINUTE_MS / 2);
  const [before, startedAt] = [town.bytes, town.now];
  const deathsMs: number[] = [];
  const problems: string[] = [];
  for (let minute = 1; minute <= o.minutes; minute++) {
    const [victim = 0, stalled = 0, leaping = 0] = sample(random, honest, 3);
    town.kill(victim);
    if (o.members > 3) town.stall(stalled, 2_000 + 20_000 * town.draw());
    if (o.members > 3) town.leap(leaping, MINUTE_MS);
    if (minute % 3 === 0) partition(town, random);
    const deathMs = minute % 3 === 0 ? undefined : waitForDeath(town, victim, honest);
    if (deathMs !== undefined) deathsMs.push(deathMs);
    else if (minute % 3 !== 0) problems.push(`minute ${minute}: the death of member ${victim} is not known to all`);
    tell(`minute ${minute}: ${deathMs === undefined ? "a partition" : `a death known after ${deathMs / 1_000} s`}`);
    if (minute % 3 === 0) town.run(PARTITION_MS);
    town.heal();
    town.restart(victim);
    town.run(Math.max(0, startedAt + minute * MINUTE_MS - town.now));
  }
  const bytesPerSecond = ((town.bytes - before) / (town.now - startedAt)) * (1_000 / o.members);
  const calmAfterMs = town.runUntil(() => town.isCalm(honest), CALM_MS);
  if (calmAfterMs === undefined) problems.push("members who run are dead to others at the end");
  const longestFalseMs = town.longestFalse();
  if (longestFalseMs > LASTING_MS) problems.push(`a member that answered was dead to another for ${longestFalseMs} ms`);
  const { steps, falseDeaths } = town;
  return { deathsMs, falseDeaths: falseDeaths.length, longestFalseMs, calmAfterMs, bytesPerSecond, steps, problems };
}

function partition(town: Neighborhood, random: { seed: number }): void {
  const all = [...town.bodies.keys()];
  const left = new Set(sample(random, all, all.length >> 1));
  town.partition(
    [...left],
    all.filter((index) => !left.has(index)),
  );
}

function waitForDeath(town: Neighborhood, victim: number, honest: readonly number[]): number | undefined {
  const startedAt = town.now;
  while (town.now - startedAt < 2 * MINUTE_MS) {
    town.run(250);
    const awake = honest.filter((index) => !town.isStalled(index));
    if (town.agree(victim, "dead", awake)) return town.now - startedAt;
  }
  return undefined;
}
