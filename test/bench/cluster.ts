// Benchmarks the cluster at sizes that no lab has, in the simulator: how soon news and deaths are known, what an idle member
// sends, whom stalled and hostile members make dead; how long a full sync stops the loop of a real one; and thirty real agents
// beside thirty of serf.
import { accuser, hostile, shouter } from "../sim/malice.ts";
import { Neighborhood, type SimOptions } from "../sim/neighborhood.ts";
import { plainStep } from "../sim/plain-swim.ts";
import { besideSerf } from "./cluster/beside-serf.ts";
import { longestStopMs } from "./cluster/loop.ts";
import { type Figure, median, printFigures } from "./figures.ts";

const delayMs: [number, number] = [1, 5];
const minute = 60_000;
const seeds = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

function settled(o: SimOptions): Neighborhood {
  const town = new Neighborhood({ delayMs, ...o });
  town.acquaint();
  town.run(2_000);
  return town;
}

/** How long until 99 % of the others know that one has left. */
function spreadS(size: number, loss: number, seed: number): number {
  const town = settled({ size, loss, seed });
  const wanted = Math.ceil(0.99 * (size - 1));
  const startedAt = town.now;
  town.leave(0);
  let known = 0;
  while (known < wanted && town.now - startedAt < minute) {
    town.run(10);
    known = 0;
    for (let index = 1; index < size; index++) if (town.belief(index, 0) === "left") known++;
  }
  return (town.now - startedAt) / 1_000;
}

/** The published model of gossip's spread (serf's convergence simulator): rounds of 0.2 s, each to three members. */
function modelS(size: number, loss: number): number {
  const [fanout, roundS, wanted] = [3, 0.2, 0.99];
  const rounds = Math.log(((size + 1) * wanted) / (1 - wanted)) / (fanout * 0.5 * (1 - loss));
  return Math.ceil(rounds) * roundS;
}

function crashS(size: number, seed: number): number {
  const town = settled({ size, seed });
  town.run(1_000 * town.draw());
  town.kill(0);
  return (town.runUntil(() => town.agree(0, "dead"), 5 * minute) ?? Number.POSITIVE_INFINITY) / 1_000;
}

function idleBytes(size: number, loss: number): number {
  const town = settled({ size, loss, seed: 1 });
  const before = town.bytes;
  town.run(minute);
  return (town.bytes - before) / 60 / size;
}

/** Times that a member that never stalled was declared dead by another, in three minutes with a tenth stalling again and again. */
function falseDeaths(size: number, seed: number, more: Partial<SimOptions> = {}): number {
  const town = settled({ size, seed, delayMs: [10, 40], ...more });
  const stalling = [...town.bodies.keys()].slice(0, size / 10);
  const wakesAt = stalling.map(() => town.now);
  for (const ends = town.now + 3 * minute; town.now < ends; town.run(10)) {
    for (const [at, index] of stalling.entries()) {
      if (town.now < wakesAt[at]!) continue;
      // As in Lifeguard's experiments: long stalls, and moments awake in which a probe begins and is not ended.
      const stallMs = 2_000 + 20_000 * town.draw();
      town.stall(index, stallMs);
      wakesAt[at] = town.now + stallMs + 10 + 90 * town.draw();
    }
  }
  return town.falseDeaths.filter(({ of }) => !stalling.includes(of)).length;
}

/** How long a living member was dead to an honest one at the longest, in five minutes with one hostile in ten. */
function hostileS(size: number, seed: number): { count: number; longestS: number } {
  const town = settled({ size, seed, loss: 0.05, delayMs: [1, 40] });
  const all = [...town.bodies.keys()];
  for (const index of all.slice(0, size / 10)) town.corrupt(index, hostile(1_000, accuser(all.slice(-3)), shouter));
  town.run(5 * minute);
  const count = town.falseDeaths.filter(({ by }) => by >= size / 10).length;
  return { count, longestS: town.longestFalse() / 1_000 };
}

function liveness(): Figure[] {
  const crashes = (size: number) => median(seeds(5).map((seed) => crashS(size, seed)));
  return [
    { name: "power cut to death known by all of 100", value: crashes(100), unit: "s", runs: 5 },
    { name: "the same of 30", value: crashes(30), unit: "s", runs: 5 },
    ...[0, 0.05, 0.25].map((loss) => {
      const name = `each of 200 sends, idle, ${loss * 100} % loss`;
      return { name, value: idleBytes(200, loss), unit: "B/s", runs: 1 };
    }),
  ];
}

function stalls(): Figure[] {
  const [value, plain] = [falseDeaths(50, 1), falseDeaths(50, 1, { step: plainStep })];
  const peer = { name: "plain SWIM", value: plain };
  return [{ name: "false deaths, 5 of 50 stall, three minutes", value, unit: "", runs: 1, peer }];
}

function attack(): Figure[] {
  const attacked = seeds(3).map((seed) => hostileS(10, seed));
  const count = attacked.reduce((sum, one) => sum + one.count, 0);
  const longestS = Math.max(...attacked.map((one) => one.longestS));
  return [
    { name: "false deaths, 1 of 10 hostile, three times five minutes", value: count, unit: "", runs: 1 },
    { name: "the longest of them", value: longestS, unit: "s", runs: 1 },
  ];
}

async function sync(): Promise<Figure[]> {
  const [signed, forged] = [await longestStopMs("signed"), await longestStopMs("forged")];
  return [
    { name: "the loop of a real member stops, 256 KiB of new claims", value: signed, unit: "ms", runs: 1 },
    { name: "the same, forged", value: forged, unit: "ms", runs: 1 },
  ];
}

/** The largest once. At 25 % loss false alarms among 10,000 cost minutes of processor for each simulated second. */
function spread(): Figure[] {
  return [10, 100, 1_000, 10_000].flatMap((size) =>
    (size === 10_000 ? [0, 0.05] : [0, 0.05, 0.25]).map((loss): Figure => {
      const runs = size >= 1_000 ? 1 : 5;
      const value = median(seeds(runs).map((seed) => spreadS(size, loss, seed)));
      const name = `news to 99 % of ${size}, ${loss * 100} % loss`;
      return { name, value, unit: "s", runs, peer: { name: "model", value: modelS(size, loss) } };
    }),
  );
}

// `node test/bench/cluster.ts [part...]`: all parts, or those named.
const parts = { liveness, stalls, attack, sync, spread, real: () => besideSerf(30) };
for (const [name, measure] of Object.entries(parts)) {
  if (process.argv.length === 2 || process.argv.includes(name)) printFigures(`Cluster: ${name}`, await measure());
}
