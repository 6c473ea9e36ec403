// The packet filter makes a mesh source address a proof of identity: a LAN host that forges one gets nowhere.
import { join } from "node:path";
import { expect, test } from "vitest";
import { lacks } from "../lacks.ts";
import { slowness } from "../speed.ts";
import { type Lan, makeLan } from "./lan.ts";
import { agentUid, type HostPlan } from "./mesh-host.ts";

const skip = lacks("namespaces", "nft", "ping");
const prefix = "fd12:3456:789a::/48";
const attic = "fd12:3456:789a::7";
const cellar = "fd12:3456:789a::9";
const script = join(import.meta.dirname, "mesh-host.ts");
const raise = (lan: Lan) =>
  lan.on("attic")([process.execPath, script, JSON.stringify({ prefix, guard: true } satisfies HostPlan)]);
const ruleset = (lan: Lan, chain: string) => lan.on("attic")(["nft", "list", "chain", "inet", "hamlet", chain]);

// Open the agent's ports on every address: binding to the mesh address alone would be no defence either.
const listen = `
  const got = (what) => (data, from) => console.log(what, String(data), from?.address ?? "");
  for (const port of [7946, 1883, 80]) require("net").createServer((s) => s.on("data", got("tcp " + port)).on("error", () => {}))
    .listen(port, "${attic}");
  const udp = require("dgram").createSocket("udp6").on("message", got("udp"));
  udp.bind(7946, "${attic}", () => setTimeout(() => console.log("listening"), 50));`;
const connect = (to: string, port: number, from?: string) => `
  const s = require("net").connect({ host: "${to}", port: ${port}, ${from ? `localAddress: "${from}",` : ""} timeout: ${700 * slowness()} });
  s.on("connect", () => { console.log("connected"); s.end("forged", () => process.exit()); });
  s.on("error", (e) => { console.log(e.code); }).on("timeout", () => { console.log("silence"); process.exit(); });`;
const node = (lan: Lan, host: string, code: string) =>
  lan
    .on(host)([process.execPath, "-e", code])
    .then((s) => s.trim());

test.skipIf(skip)("a LAN host that forges a member's mesh address cannot reach any port", async () => {
  await using lan = await makeLan(["attic", "mallory"]);
  // The attic has its own address and, in the worst case, a route to the forger; mallory takes the cellar's address.
  const [atticLink, malloryLink] = await Promise.all([lan.linkLocal("attic"), lan.linkLocal("mallory")]);
  const via = (link: string) => ["via", link.split("%")[0]!, "dev", "eth0"];
  await lan.on("attic")(["ip", "-6", "address", "add", `${attic}/128`, "dev", "lo"]);
  await lan.on("attic")(["ip", "-6", "route", "add", prefix, ...via(malloryLink)]);
  await lan.on("mallory")(["ip", "-6", "address", "add", `${cellar}/128`, "dev", "lo"]);
  await lan.on("mallory")(["ip", "-6", "route", "add", `${attic}/128`, ...via(atticLink)]);
  const server = lan.spawn("attic", [process.execPath, "-e", listen]);
  await server.says(/listening/);

  const shout = (word: string) =>
    node(
      lan,
      "mallory",
      `const u = require("dgram").createSocket("udp6");
       u.bind(0, "${cellar}", () => u.send("${word}", 7946, "${attic}", () => u.close()));`,
    );
  const knock = (port: number) => node(lan, "mallory", connect(attic, port, cellar));

  // Without the guard the forgery works: the kernel accepts packets for its addresses from any link.
  await shout("before");
  await server.says(new RegExp(`udp before ${cellar}`));
  expect(await knock(80)).toBe("connected");

  await raise(lan);
  await shout("after");
  expect(await Promise.all([7946, 1883, 80].map(knock))).toEqual(["silence", "silence", "silence"]);
  // A stranger may also write to a mesh address without forging its own.
  const stranger = await node(lan, "mallory", connect(attic, 80, malloryLink));
  expect(stranger).toBe("silence");
  const rules = await ruleset(lan, "guard_arriving");
  expect(rules).toMatch(/saddr \S+ counter packets [1-9]/);
  expect(rules).toMatch(/daddr \S+ counter packets [1-9]/);
  expect(server.output()).not.toContain("after");
});

test.skipIf(skip)(
  "only root and the agent's user may connect to agents; other users' other traffic passes",
  async () => {
    await using lan = await makeLan(["attic"]);
    // An interface that leads nowhere is enough to see which users may open a connection on it.
    const setUp = [
      "link add hamlet0 type veth peer name nowhere0",
      "link set nowhere0 up",
      `addr add ${attic}/128 dev lo`,
      "link set hamlet0 up",
      // Without this the kernel reports an error after three seconds; here, silence must mean that the packet left.
      `neigh add ${cellar} lladdr 02:00:00:00:00:09 dev hamlet0 nud permanent`,
    ];
    await lan.on("attic")(["ip", "-batch", "-"], {
      input: [...setUp, `route add ${prefix} dev hamlet0`, ""].join("\n"),
    });
    const server = lan.spawn("attic", [
      process.execPath,
      "-e",
      `${listen} require("net").createServer().listen(8080, "::");`,
    ]);
    await server.says(/listening/);
    await raise(lan);
    const as = (uid: number, to: string, port: number) => {
      const user = [
        "setpriv",
        "--reuid",
        `${uid}`,
        "--clear-groups",
        process.execPath,
        "-e",
        connect(to, port),
      ] as const;
      return lan
        .on("attic")([...user])
        .then((said) => said.trim());
    };
    const nobody = 65_534;
    // To another member over the mesh: other users are refused at once; for us the packet leaves, and nothing answers.
    expect(await Promise.all([7946, 1883, 80].map((port) => as(nobody, cellar, port)))).toEqual(
      Array(3).fill("ECONNREFUSED"),
    );
    expect(await Promise.all([0, agentUid].map((uid) => as(uid, cellar, 7946)))).toEqual(["silence", "silence"]);
    expect(await as(nobody, cellar, 8080)).toBe("silence");
    // On the device itself: a local connection to its broker would count as the device. Every user may read the page.
    expect(await Promise.all([7946, 1883].map((port) => as(nobody, attic, port)))).toEqual(
      Array(2).fill("ECONNREFUSED"),
    );
    expect(await Promise.all([as(agentUid, attic, 1883), as(0, attic, 7946)])).toEqual(["connected", "connected"]);
    expect(await Promise.all([as(nobody, attic, 80), as(nobody, attic, 8080)])).toEqual(["connected", "connected"]);
  },
);

test.skipIf(skip)("raising the guard twice changes nothing, and other tables stay untouched", async () => {
  await using lan = await makeLan(["attic"]);
  const foreign =
    "table inet filter {\n chain input {\n type filter hook input priority filter; tcp dport 22 accept\n }\n}\n";
  await lan.on("attic")(["nft", "-f", "-"], { input: foreign });
  const tables = () => lan.on("attic")(["nft", "list", "ruleset"]);
  const before = await tables();
  await raise(lan);
  const once = await tables();
  await raise(lan);
  expect(await tables()).toBe(once);
  expect(once.replace(/table inet hamlet \{[\s\S]*?\n\}\n/, "").trim()).toBe(before.trim());
});

test.skipIf(skip)("raising the guard fails without the capability or nft, and the error says what to do", async () => {
  await using lan = await makeLan(["attic"]);
  const plan = JSON.stringify({ prefix, guard: true } satisfies HostPlan);
  const asNobody = ["--reuid", "65534", "--clear-groups", "--bounding-set=-all"];
  const powerless = lan.spawn("attic", ["setpriv", ...asNobody, process.execPath, script, plan]);
  expect((await powerless.ended).code).toBe(1);
  expect(powerless.output()).toContain("guard.failed");
  expect(powerless.output()).toContain("CAP_NET_ADMIN");
  const without = lan.spawn("attic", ["env", "PATH=/nowhere", process.execPath, script, plan]);
  expect((await without.ended).code).toBe(1);
  expect(without.output()).toContain("apt install nftables");
  expect(await lan.on("attic")(["nft", "list", "tables"])).toBe("");
});

test.skipIf(skip)("the agent's own user needs CAP_NET_ADMIN and nothing more", async () => {
  await using lan = await makeLan(["attic"]);
  const user = ["--reuid", `${agentUid}`, "--regid", `${agentUid}`, "--clear-groups", "--no-new-privs"];
  const caps = ["--inh-caps", "-all,+net_admin", "--ambient-caps", "+net_admin", "--bounding-set", "-all,+net_admin"];
  const plan = JSON.stringify({ prefix, guard: true } satisfies HostPlan);
  await lan.on("attic")(["setpriv", ...user, ...caps, process.execPath, script, plan]);
  expect(await ruleset(lan, "guard_opening")).toContain(`${agentUid}`);
});
