// Benchmarks gossip without mesh and agent: the cost of a step, the traffic of three idle members, how soon they notice a
// new member and a death. Compares it, in the same run and on the same LAN, with serf, whose SWIM parameters we use.
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { livenessSigner, makeProofs } from "../../agent/cluster/proofs.ts";
import { bundleProgram } from "../../cli/package/bundle.ts";
import { exportSigningKey, generateSigningKey } from "../../provisioning/trust/keys.ts";
import { deviceIdOf } from "../../provisioning/trust/names.ts";
import { sleep } from "../../system/clock.ts";
import { eventually } from "../eventually.ts";
import type { Child } from "../net/child.ts";
import { type Lan, makeLan } from "../net/lan.ts";
import { Neighborhood } from "../sim/neighborhood.ts";
import { type Figure, median, printFigures } from "./figures.ts";
import type { Person } from "./gossip/member.ts";

const names = ["attic", "cellar", "kitchen"];
const runs = 5;
const settleMs = 10_000;
const idleMs = 60_000;

type Measured = { joinS: number; deathS: number; rssMb: number; cpuPercent: number; bytesPerS: number };

async function compare(): Promise<void> {
  const [hamlet, serf] = [await measure(startMembers), await measure(startSerf)];
  const figure = (name: string, unit: string, key: keyof Measured, count: number): Figure => ({
    name,
    unit,
    value: median(hamlet.map((run) => run[key])),
    runs: count,
    peer: { name: "serf", value: median(serf.map((run) => run[key])) },
  });
  printFigures("Gossip of three", [
    { name: "step of the core, 30 members", value: stepsPerS(30) / 1000, unit: "k/s", runs },
    { name: "check of one signature", value: checkUs(), unit: "us", runs },
    { name: "payload each member sends, idle, simulated", value: idlePayload(3), unit: "B/s", runs: 1 },
    figure("start of three processes to all alive everywhere", "s", "joinS", runs),
    figure("power cut of one to its death known by both others", "s", "deathS", runs),
    figure("RSS of a process, idle", "MB", "rssMb", runs),
    figure("CPU of a process, idle", "% core", "cpuPercent", runs),
    figure("Ethernet bytes each sends, idle, no WireGuard", "B/s", "bytesPerS", runs),
  ]);
}

type Started = { startedAt: number; children: Child[]; allAlive(): Promise<void>; deathKnown(): Promise<void> };
type Start = (lan: Lan) => Promise<Started>;

async function measure(start: Start): Promise<Measured[]> {
  const all: Measured[] = [];
  for (let count = 0; count < runs; count++) {
    await using lan = await makeLan(names);
    const { startedAt, children, allAlive, deathKnown } = await start(lan);
    await allAlive();
    const joinS = (performance.now() - startedAt) / 1000;
    await sleep(settleMs);
    const [pid, before] = [children[0]!.pid(), await sentBytes(lan)];
    const ticks = ticksOf(pid);
    // CPU and wire need a long measurement; only the last run takes one, the others are short.
    const lookMs = count === runs - 1 ? idleMs : idleMs / 6;
    await sleep(lookMs);
    const bytesPerS = ((await sentBytes(lan)) - before) / (lookMs / 1000);
    const cpuPercent = (ticksOf(pid) - ticks) / (lookMs / 1000);
    const rssMb = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1000;
    const cutAt = performance.now();
    await lan.removeHost("kitchen");
    await deathKnown();
    all.push({ joinS, deathS: (performance.now() - cutAt) / 1000, rssMb, cpuPercent, bytesPerS });
  }
  return all;
}

const startMembers: Start = async (lan) => {
  const people = names.map((name): Person => {
    const key = generateSigningKey();
    const address = lan.address(name);
    return { id: deviceIdOf(key.publicKey), address, deviceKey: key.publicKey, privateKey: exportSigningKey(key) };
  });
  const path = join(lan.folder("attic"), "people.json");
  await writeFile(path, JSON.stringify(people));
  const program = join(lan.folder("attic"), "member.mjs");
  await bundleProgram(join(import.meta.dirname, "gossip/member.ts"), program, "");
  const startedAt = performance.now();
  const children = names.map((name, index) => lan.spawn(name, [process.execPath, program, path, `${index}`]));
  const all = async (some: Child[], words: RegExp) => {
    await Promise.all(some.map((child) => child.says(words, 60_000)));
  };
  return {
    startedAt,
    children,
    allAlive: () => all(children, /alive 3 of 3/),
    deathKnown: () => all(children.slice(0, 2), /^dead/m),
  };
};

const startSerf: Start = async (lan) => {
  const startedAt = performance.now();
  const children = names.map((name) => {
    const options = [`-node=${name}`, `-bind=${lan.address(name)}`, `-retry-join=${lan.address("attic")}`];
    return lan.spawn(name, ["serf", "agent", ...options, "-retry-interval=1s"]);
  });
  const all = (some: string[], status: string, wanted: number) =>
    eventually(
      async () => {
        for (const name of some) {
          const listed = await lan.on(name)(["serf", "members", `-status=${status}`]);
          if (listed.trim().split("\n").filter(Boolean).length !== wanted) throw new Error(listed);
        }
      },
      { within: 60_000, every: 25 },
    );
  return {
    startedAt,
    children,
    allAlive: () => all(names, "alive", 3),
    deathKnown: () => all(names.slice(0, 2), "failed", 1),
  };
};

/** Bytes on one host's network card, including Ethernet headers. */
async function sentBytes(lan: Lan): Promise<number> {
  return Number(await lan.on("attic")(["cat", "/sys/class/net/eth0/statistics/tx_bytes"]));
}

/** There are 100 ticks a second (USER_HZ), so a tick a second is one percent of a core. */
function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

function idlePayload(size: number): number {
  const town = new Neighborhood({ size, seed: 1 });
  town.meet();
  town.run(60_000);
  const before = town.bytes;
  town.run(600_000);
  return (town.bytes - before) / 600 / size;
}

/** Steps of the core per second in a simulated neighborhood, including message encoding and the simulated network. */
function stepsPerS(size: number): number {
  const rates: number[] = [];
  for (let count = 0; count < runs; count++) {
    const town = new Neighborhood({ size, seed: count });
    town.meet();
    town.run(60_000);
    const [startedAt, before] = [performance.now(), town.steps];
    town.run(600_000);
    rates.push((town.steps - before) / ((performance.now() - startedAt) / 1000));
  }
  return median(rates);
}

function checkUs(): number {
  const key = generateSigningKey();
  const signLiveness = livenessSigner(key.privateKey);
  const proofs = makeProofs({ id: "self", signLiveness }, () => key.publicKey);
  const claim = { id: "cellar", incarnation: 1, state: "alive" } as const;
  const signature = signLiveness(claim);
  const times: number[] = [];
  for (let count = 0; count < runs; count++) {
    const startedAt = performance.now();
    for (let check = 0; check < 1_000; check++) proofs.verify(claim, signature);
    times.push(performance.now() - startedAt);
  }
  return median(times);
}

await compare();
