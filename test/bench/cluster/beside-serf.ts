// Real agents beside as many serf agents, at the same time, each kind on a LAN of its own in namespaces: how soon a newcomer and
// a power cut are known to all others, and what an idle one costs. Both say in their logs whom they hold for alive.
import { readFileSync } from "node:fs";
import { sleep } from "../../../system/clock.ts";
import { eventually } from "../../eventually.ts";
import type { Child } from "../../net/child.ts";
import { type Lan, makeLan } from "../../net/lan.ts";
import { makeNeighborhood } from "../../net/neighborhood.ts";
import { type Figure, median } from "../figures.ts";

const settleMs = 30_000;
const idleMs = 60_000;
/** All at once would take each other's processor for a minute. */
const apartMs = 1_000;
const cuts = 3;
const patience = { within: 180_000, every: 50 };

type State = "alive" | "dead";
/** One of the two systems, with its members in the order in which they started. */
type System = AsyncDisposable & {
  lan: Lan;
  members: Map<string, Child>;
  start(name: string): Promise<void>;
  /** What this output says last of each member. */
  states(output: string): Map<string, State>;
};
type Cost = { rssMb: number; cpuPercent: number; bytesPerS: number };

export async function besideSerf(size: number): Promise<Figure[]> {
  const names = Array.from({ length: size }, (_, index) => `host${index}`);
  await using agents = await hamlet(names);
  await using serfs = await serf(names);
  const both = [agents, serfs];
  const newcomer = names.at(-1)!;
  for (const name of names.slice(0, -1)) {
    for (const system of both) await system.start(name);
    await sleep(apartMs);
  }
  for (const system of both) await whole(system);
  const joins: number[] = [];
  for (const system of both) joins.push(await secondsUntil(system, () => system.start(newcomer), "alive"));
  for (const system of both) await whole(system);
  await sleep(settleMs);
  const [cost, peerCost] = (await Promise.all(both.map(watch))) as [Cost, Cost];
  const deaths: number[][] = [[], []];
  for (const name of names.slice(-cuts).toReversed()) {
    for (const [index, system] of both.entries()) {
      const cut = async () => {
        system.members.delete(name);
        await system.lan.removeHost(name);
      };
      deaths[index]!.push(await secondsUntil(system, cut, "dead"));
    }
  }
  const beside = (name: string, unit: string, runs: number, value: number, peer: number): Figure => ({
    ...{ name, unit, runs, value },
    peer: { name: "serf", value: peer },
  });
  return [
    beside(`start of one more to alive at ${size - 1} others`, "s", 1, joins[0]!, joins[1]!),
    beside("power cut to death known by all others", "s", cuts, median(deaths[0]!), median(deaths[1]!)),
    beside("RSS of an agent, idle", "MB", size, cost.rssMb, peerCost.rssMb),
    beside("processor of an agent, idle", "% core", size, cost.cpuPercent, peerCost.cpuPercent),
    beside("wire, sent by each, idle", "B/s", size, cost.bytesPerS, peerCost.bytesPerS),
  ];
}

/** Until each member says it of one more than before. */
async function secondsUntil(system: System, act: () => Promise<void>, state: State): Promise<number> {
  const seen = new Map([...system.members].map(([name, child]) => [name, count(system, child, state)]));
  const startedAt = performance.now();
  await act();
  await eventually(() => {
    for (const [name, before] of seen) {
      const child = system.members.get(name);
      if (child && count(system, child, state) <= before) throw new Error(`${name} says ${state} of ${before} only`);
    }
  }, patience);
  return (performance.now() - startedAt) / 1_000;
}

function count(system: System, child: Child, state: State): number {
  return [...system.states(child.output()).values()].filter((one) => one === state).length;
}

/** Until each holds all others for alive. */
async function whole(system: System): Promise<void> {
  const others = system.members.size - 1;
  const some = () => [...system.members].map(([name, child]) => [name, count(system, child, "alive")] as const);
  await eventually(
    () => {
      for (const [name, alive] of some()) if (alive < others) throw new Error(`${name} sees ${alive} of ${others}`);
    },
    { ...patience, every: 500, progress: () => some().join() },
  );
}

async function watch({ lan, members }: System): Promise<Cost> {
  const look = () =>
    Promise.all(
      [...members].map(async ([name, child]) => {
        const sent = await lan.on(name)(["cat", "/sys/class/net/eth0/statistics/tx_bytes"]);
        return { ticks: ticksOf(child.pid()), sent: Number(sent), at: performance.now() };
      }),
    );
  const before = await look();
  await sleep(idleMs);
  const after = await look();
  const seconds = (index: number) => (after[index]!.at - before[index]!.at) / 1_000;
  return {
    rssMb: median([...members.values()].map((child) => rssMb(child.pid()))),
    // There are 100 ticks a second (USER_HZ).
    cpuPercent: median(after.map(({ ticks }, index) => (ticks - before[index]!.ticks) / seconds(index))),
    bytesPerS: median(after.map(({ sent }, index) => (sent - before[index]!.sent) / seconds(index))),
  };
}

const rssMb = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_000;

/** User and system time of a process, in ticks (proc(5), fields 14 and 15). */
function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

async function hamlet(names: string[]): Promise<System> {
  const home = await makeNeighborhood(names);
  const members = new Map<string, Child>();
  return {
    ...{ lan: home, members },
    async start(name) {
      await home.provision(name);
      members.set(name, await home.startAgent(name));
    },
    states: (output) =>
      new Map([...output.matchAll(/([a-z2-7]{26}) is (alive|dead)/g)].map(([, id, state]) => [id!, state as State])),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

async function serf(names: string[]): Promise<System> {
  const lan = await makeLan(names);
  const members = new Map<string, Child>();
  const events: Record<string, State> = { Join: "alive", Failed: "dead" };
  return {
    ...{ lan, members },
    async start(name) {
      const options = [`-node=${name}`, `-bind=${lan.address(name)}`, `-retry-join=${lan.address(names[0]!)}`];
      members.set(name, lan.spawn(name, ["serf", "agent", ...options, "-retry-interval=1s"]));
    },
    /** Without what it says of itself. */
    states(output) {
      const own = /Node name: '(.+)'/.exec(output)?.[1];
      const said = [...output.matchAll(/EventMember(Join|Failed): (\S+)/g)];
      return new Map(said.flatMap(([, event, name]) => (name === own ? [] : [[name!, events[event!]!] as const])));
    },
    [Symbol.asyncDispose]: () => lan[Symbol.asyncDispose](),
  };
}
