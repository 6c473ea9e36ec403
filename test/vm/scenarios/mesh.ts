// Two network namespaces on one cable with kernel WireGuard, next to other programs' network settings.
import { generateKeyPairSync } from "node:crypto";
import { Warnings } from "../../../agent/health/warnings.ts";
import type { Journal } from "../../../agent/kernel/journal.ts";
import { isComplete, startFirewall } from "../../../agent/mesh/firewall.ts";
import { guardPart } from "../../../agent/mesh/guard.ts";
import { wireguardPublicKey } from "../../../agent/mesh/key.ts";
import { type Mesh, startMesh } from "../../../agent/mesh/mesh.ts";
import { systemClock } from "../../../system/clock.ts";
import { run as plainRun, type Run } from "../../../system/command.ts";
import { makeLog } from "../../../system/log.ts";
import { type Tell, telling } from "../tell.ts";

const prefix = "fd12:3456:789a::/48";
const hosts = {
  attic: { address: "fd12:3456:789a::7", link: "192.168.77.7", key: makeKey() },
  cellar: { address: "fd12:3456:789a::9", link: "192.168.77.9", key: makeKey() },
};
type Name = keyof typeof hosts;
const warnings = new Warnings(systemClock, makeLog("warnings"));
/** The journal has tests of its own. */
const journal: Pick<Journal, "recordMade" | "release"> = { recordMade: async () => {}, release: async () => [] };

export default async function mesh(tell: Tell) {
  const run = telling(tell, plainRun);
  const attic = inNamespace(run, "attic");
  const cellar = inNamespace(run, "cellar");
  await makeCable(run);
  await makeForeignThings(attic);
  const foreignBefore = await foreignThings(attic);

  // As in the agent's unit: its own user with one capability, inherited by the programs it starts.
  const asAgent = (inside: Run): Run => {
    const user = ["--reuid", "1234", "--regid", "1234", "--clear-groups", "--no-new-privs"];
    const caps = ["--inh-caps", "-all,+net_admin", "--ambient-caps", "+net_admin", "--bounding-set", "-all,+net_admin"];
    return (argv, options) => inside(["setpriv", ...user, ...caps, ...argv], options);
  };
  const ports = { privatePorts: [7946, 1883], pagePort: 80 };
  const guard = guardPart({ interface: "hamlet0", prefix, agentUid: 1234, ...ports });
  const firewall = await startFirewall({ run: asAgent(attic), log: makeLog("firewall"), journal }, [guard]);
  firewall.stop();

  const startedAt = performance.now();
  const atticMesh = await start("attic", asAgent(attic));
  const startMs = performance.now() - startedAt;
  const cellarMesh = await start("cellar", cellar);
  const dueAfterStart = await atticMesh.plan();
  await Promise.all([atticMesh.setPeers([peer("cellar")]), cellarMesh.setPeers([peer("attic")])]);
  const pings = [await ping(attic, "cellar"), await ping(cellar, "attic")];
  const shown = { ...hosts.attic, dump: await attic(["wg", "show", "hamlet0"]) };
  const dueAfterPeers = await atticMesh.plan();
  const before = await attic(["wg", "show", "hamlet0", "dump"]);
  await atticMesh.setPeers([peer("cellar", "192.168.77.99:51820")]);
  const endpointKept = (await atticMesh.status())[0]?.endpoint;
  const sessionKept = (await attic(["wg", "show", "hamlet0", "dump"])).split("\t")[0] === before.split("\t")[0];

  // Forge packets from the cable: the guard must drop them.
  await cellar(["ip", "-6", "route", "add", `${hosts.attic.address}/128`, "dev", "eth0", "metric", "1"]);
  const atticMac = JSON.parse(await attic(["ip", "-json", "link", "show", "eth0"]))[0].address;
  await cellar([
    "ip",
    "-6",
    "neigh",
    "add",
    hosts.attic.address,
    "lladdr",
    atticMac,
    "dev",
    "eth0",
    "nud",
    "permanent",
  ]);
  const forgedPing = await ping(cellar, "attic");
  const arriving = await attic(["nft", "list", "chain", "inet", "hamlet", "guard_arriving"]);
  await cellar(["ip", "-6", "route", "del", `${hosts.attic.address}/128`, "dev", "eth0", "metric", "1"]);

  // A crash leaves the interface behind; the next agent, with another key and other peers, corrects it.
  hosts.attic.key = makeKey();
  const successor = await start("attic", asAgent(attic));
  const publicKey = (await attic(["wg", "show", "hamlet0", "public-key"])).trim();
  const corrected = {
    hasNewKey: publicKey === wireguardPublicKey(hosts.attic.key),
    peers: (await successor.status()).length,
    due: await successor.plan(),
  };

  const many = Array.from({ length: 500 }, (_, n) => ({
    ...peer("cellar", `10.1.${n >> 8}.${n & 255}:51820`),
    wireguardKey: wireguardPublicKey(makeKey()),
    address: `fd12:3456:789a::1:${n.toString(16)}`,
  }));
  const manyAt = performance.now();
  await successor.setPeers(many);
  const manyMs = performance.now() - manyAt;
  const dueAfterMany = await successor.plan();

  await successor.stop();
  const left = await attic(["ip", "-6", "route", "show", "root", prefix]);
  const isGone = !(await attic(["ip", "-br", "link"])).includes("hamlet0");
  const foreignAfter = await foreignThings(attic);
  return {
    ...{
      startMs,
      manyMs,
      dueAfterStart,
      dueAfterPeers,
      dueAfterMany,
      pings,
      shown: shown.dump,
      endpointKept,
      sessionKept,
    },
    ...{
      forgedPing,
      arriving,
      corrected,
      left,
      isGone,
      isGuarded: await isComplete(attic, [guard]),
      foreignBefore,
      foreignAfter,
    },
    warnings: warnings.list().map(({ code }) => code),
  };
}

const start = (name: Name, inside: Run): Promise<Mesh> =>
  startMesh({
    interface: "hamlet0",
    privateKey: hosts[name].key,
    listenPort: 51820,
    address: hosts[name].address,
    prefix,
    mtu: 1420,
    run: inside,
    journal,
    clock: systemClock,
    log: makeLog(name),
    warnings,
    userspaceFallback: true,
  });

const peer = (name: Name, endpoint = `${hosts[name].link}:51820`) => ({
  id: name,
  name,
  wireguardKey: wireguardPublicKey(hosts[name].key),
  address: hosts[name].address,
  endpoint,
  keepaliveSeconds: 25,
});

const ping = (inside: Run, to: Name): Promise<boolean> =>
  inside(["ping", "-6", "-c3", "-i0.3", "-W1", hosts[to].address]).then(
    () => true,
    () => false,
  );

function inNamespace(run: Run, name: string): Run {
  return ([file, ...args], options) => run(["nsenter", `--net=/run/netns/${name}`, file, ...args], options);
}

async function makeCable(run: Run): Promise<void> {
  for (const name of ["attic", "cellar"]) await run(["ip", "netns", "add", name]);
  await run(["ip", "link", "add", "eth0", "netns", "attic", "type", "veth", "peer", "name", "eth0", "netns", "cellar"]);
  for (const [name, { link }] of Object.entries(hosts)) {
    const lines = ["link set lo up", "link set eth0 up", `addr add ${link}/24 dev eth0`, ""];
    await inNamespace(run, name)(["ip", "-batch", "-"], { input: lines.join("\n") });
  }
}

/** Other programs' WireGuard, packet filter, rules and routes; one route even leads into our /48. */
async function makeForeignThings(attic: Run): Promise<void> {
  const other = wireguardPublicKey(makeKey());
  const lines = [
    ...["link add wg0 type wireguard", "addr add 10.9.0.1/24 dev wg0", "link set wg0 mtu 1380 up"],
    ...["route add 10.10.0.0/16 dev wg0 metric 7", ""],
  ];
  const lines6 = [
    ...["route add fd12:3456:789a:1::/64 dev wg0 table 100", "route add unreachable fd99::/48 metric 4096"],
    ...["rule add to fd99::/48 lookup 100 priority 1000", ""],
  ];
  await attic(["ip", "-batch", "-"], { input: lines.join("\n") });
  await attic(["ip", "-6", "-batch", "-"], { input: lines6.join("\n") });
  await attic(["sh", "-c", "cat | wg set wg0 private-key /dev/stdin listen-port 51999"], { input: makeKey() });
  await attic(["wg", "set", "wg0", "peer", other, "allowed-ips", "10.10.0.0/16", "endpoint", "192.168.77.50:1"]);
  const table = "chain input {\n type filter hook input priority 0; policy accept;\n tcp dport 22 accept\n }";
  await attic(["nft", "-f", "-"], { input: `table inet foreign {\n ${table}\n}\ntable ip nat {\n}\n` });
}

async function foreignThings(attic: Run): Promise<string[]> {
  const lines = await Promise.all([
    attic(["wg", "showconf", "wg0"]),
    attic(["ip", "-d", "addr", "show", "wg0"]),
    attic(["nft", "list", "table", "inet", "foreign"]),
    attic(["nft", "list", "table", "ip", "nat"]),
    attic(["ip", "rule"]),
    attic(["ip", "-6", "rule"]),
    attic(["ip", "route", "show", "table", "all"]),
    attic(["ip", "-6", "route", "show", "table", "all"]),
  ]);
  // Drop our own routes: those of our interface, and the one that stays.
  return lines
    .flatMap((text) => text.split("\n"))
    .filter((line) => !/hamlet0|fd12:3456:789a::\/48|ff00::|fe80::/.test(line));
}

function makeKey(): string {
  const { privateKey } = generateKeyPairSync("x25519");
  return Buffer.from(privateKey.export({ format: "jwk" }).d ?? "", "base64url").toString("base64");
}
