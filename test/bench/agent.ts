// Benchmarks three agents in namespaces on this machine: how soon they form one mesh, and what an idle device costs.
// Compares them, in the same run and on the same LAN, with serf (gossip membership), nebula and tinc (mesh VPNs) from Debian.
import { readFileSync, statSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually } from "../eventually.ts";
import type { Child } from "../net/child.ts";
import { type Lan, makeLan } from "../net/lan.ts";
import { agentBundle, makeNeighborhood } from "../net/neighborhood.ts";
import { type Figure, median, printFigures } from "./figures.ts";

const names = ["attic", "cellar", "kitchen"];
const runs = 10;
const settleMs = 20_000;
const idleMs = 60_000;

const figures: Figure[] = [];
const bundle = await agentBundle();
figures.push({ name: "agent bundle", value: statSync(bundle).size / 1e6, unit: "MB", runs: 1 });

const joins: number[] = [];
let idle: Idle | undefined;
for (let count = 0; count < runs; count++) {
  await using home = await makeNeighborhood(names);
  await Promise.all(names.map((name) => home.provision(name)));
  const startedAt = performance.now();
  const agents = await Promise.all(names.map((name) => home.startAgent(name)));
  await eventually(
    async () => {
      for (const name of names) {
        const { members } = await home.status(name);
        const ready = members.filter((m) => m.state === "alive" && (m.isSelf || m.handshakeAgeS !== undefined));
        if (ready.length !== names.length) throw new Error(`${name} sees ${ready.length}`);
      }
    },
    { within: 30_000, every: 25 },
  );
  joins.push((performance.now() - startedAt) / 1000);
  if (count === runs - 1) idle = await watchIdle(home, agents);
}

const serf = await benchSerf();
figures.push({
  name: "start to three in one mesh",
  value: median(joins),
  unit: "s",
  runs,
  peer: { name: "serf join", value: serf.joinS },
});
figures.push({
  name: "agent RSS, idle, 2 peers",
  value: idle!.rssMb,
  unit: "MB",
  runs: 3,
  peer: { name: "serf", value: serf.rssMb },
});
figures.push({ name: "agent CPU, idle, 2 peers", value: idle!.cpuPercent, unit: "% core", runs: 3 });
figures.push({ name: "wire, each device sends, idle, 2 peers", value: idle!.bytesPerS, unit: "B/s", runs: 3 });
printFigures("Agent", figures);
printFigures("Mesh VPNs for comparison", [
  { name: "nebula RSS, idle, 2 peers", value: await benchNebula(), unit: "MB", runs: 3 },
  { name: "tinc RSS, idle, 2 peers", value: await benchTinc(), unit: "MB", runs: 3 },
]);

type Idle = { rssMb: number; cpuPercent: number; bytesPerS: number };

async function watchIdle(lan: Lan, agents: Child[]): Promise<Idle> {
  await sleep(settleMs);
  const before = await Promise.all(
    names.map(async (name, at) => ({ ticks: ticksOf(agents[at]!.pid()), sent: await sentBy(lan, name) })),
  );
  await sleep(idleMs);
  const after = await Promise.all(
    names.map(async (name, at) => ({ ticks: ticksOf(agents[at]!.pid()), sent: await sentBy(lan, name) })),
  );
  const seconds = idleMs / 1000;
  return {
    rssMb: median(agents.map((agent) => rssMb(agent.pid()))),
    // 100 ticks a second (USER_HZ).
    cpuPercent: median(after.map(({ ticks }, at) => (ticks - before[at]!.ticks) / seconds)),
    bytesPerS: median(after.map(({ sent }, at) => (sent - before[at]!.sent) / seconds)),
  };
}

async function benchSerf(): Promise<{ joinS: number; rssMb: number }> {
  const times: number[] = [];
  let rss: number[] = [];
  for (let count = 0; count < runs; count++) {
    await using lan = await makeLan(names);
    const startedAt = performance.now();
    const seed = lan.address("attic");
    const agents = names.map((name) =>
      lan.spawn(name, [
        "serf",
        "agent",
        `-node=${name}`,
        `-bind=${lan.address(name)}`,
        `-retry-join=${seed}`,
        "-retry-interval=1s",
      ]),
    );
    await eventually(
      async () => {
        for (const name of names) {
          const members = await lan.on(name)(["serf", "members", "-status=alive"]);
          if (members.trim().split("\n").length !== names.length) throw new Error(members);
        }
      },
      { within: 30_000, every: 25 },
    );
    times.push((performance.now() - startedAt) / 1000);
    if (count < runs - 1) continue;
    await sleep(settleMs);
    rss = agents.map((agent) => rssMb(agent.pid()));
  }
  return { joinS: median(times), rssMb: median(rss) };
}

async function benchNebula(): Promise<number> {
  await using lan = await makeLan(names);
  const keys = join(lan.folder("attic"), "keys");
  await mkdir(keys, { recursive: true });
  const onAttic = lan.on("attic");
  const ca = ["-ca-crt", join(keys, "ca.crt"), "-ca-key", join(keys, "ca.key")];
  await onAttic(["nebula-cert", "ca", "-name", "bench", "-out-crt", ca[1]!, "-out-key", ca[3]!]);
  const nodes: Child[] = [];
  for (const [at, name] of names.entries()) {
    const [crt, key] = [join(keys, `${name}.crt`), join(keys, `${name}.key`)];
    await onAttic([
      "nebula-cert",
      "sign",
      ...ca,
      "-name",
      name,
      "-ip",
      `10.9.0.${at + 1}/24`,
      "-out-crt",
      crt,
      "-out-key",
      key,
    ]);
    const config = {
      pki: { ca: ca[1], cert: crt, key },
      static_host_map: { "10.9.0.1": [`${lan.address("attic")}:4242`] },
      lighthouse: { am_lighthouse: at === 0, hosts: at === 0 ? [] : ["10.9.0.1"] },
      listen: { host: "0.0.0.0", port: 4242 },
      tun: { dev: "nebula1" },
      firewall: {
        outbound: [{ port: "any", proto: "any", host: "any" }],
        inbound: [{ port: "any", proto: "any", host: "any" }],
      },
    };
    const path = join(lan.folder(name), "nebula.yml");
    // JSON is YAML.
    await writeFile(path, JSON.stringify(config));
    nodes.push(lan.spawn(name, ["nebula", "-config", path]));
  }
  await eventually(() => lan.on("kitchen")(["ping", "-c1", "-W1", "10.9.0.2"]), { within: 20_000 });
  await sleep(settleMs);
  return median(nodes.map((node) => rssMb(node.pid())));
}

async function benchTinc(): Promise<number> {
  await using lan = await makeLan(names);
  const folderOf = (name: string) => join(lan.folder(name), "tinc");
  const hosts = new Map<string, string>();
  for (const [at, name] of names.entries()) {
    await mkdir(join(folderOf(name), "hosts"), { recursive: true });
    const others = names.filter((other) => other !== name).map((other) => `ConnectTo = ${other}`);
    await writeFile(
      join(folderOf(name), "tinc.conf"),
      [`Name = ${name}`, "Interface = tinc0", ...others, ""].join("\n"),
    );
    await writeFile(
      join(folderOf(name), "tinc-up"),
      `#!/bin/sh\nip addr add 10.8.0.${at + 1}/24 dev tinc0\nip link set tinc0 up\n`,
      { mode: 0o755 },
    );
    await writeFile(
      join(folderOf(name), "hosts", name),
      `Address = ${lan.address(name)}\nSubnet = 10.8.0.${at + 1}/32\n`,
    );
    await lan.on(name)(["tincd", "-c", folderOf(name), "-K", "2048"], { timeoutMs: 30_000, input: "\n\n" });
    hosts.set(name, readFileSync(join(folderOf(name), "hosts", name), "utf8"));
  }
  const nodes: Child[] = [];
  for (const name of names) {
    for (const [other, text] of hosts) await writeFile(join(folderOf(name), "hosts", other), text);
    nodes.push(lan.spawn(name, ["tincd", "-D", "-c", folderOf(name), "--pidfile", join(folderOf(name), "pid")]));
  }
  await eventually(() => lan.on("kitchen")(["ping", "-c1", "-W1", "10.8.0.2"]), { within: 90_000 });
  await sleep(settleMs);
  return median(nodes.map((node) => rssMb(node.pid())));
}

function rssMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1000;
}

/** User and system time of a process, in ticks (proc(5), fields 14 and 15). */
function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

async function sentBy(lan: Lan, name: string): Promise<number> {
  return Number(await lan.on(name)(["cat", "/sys/class/net/eth0/statistics/tx_bytes"]));
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
