// The mesh between two hosts with wireguard-go, and what happens to their traffic when the mesh is gone.
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { wireguardPublicKey } from "../../agent/mesh/key.ts";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";
import { slowness } from "../speed.ts";
import { type Lan, makeLan } from "./lan.ts";
import type { HostPlan } from "./mesh-host.ts";

const skip = lacks("namespaces", "wireguard", "nft", "ping", "tcpdump");
const prefix = "fd12:3456:789a::/48";
const script = join(import.meta.dirname, "mesh-host.ts");
const addresses = { attic: "fd12:3456:789a::7", cellar: "fd12:3456:789a::9" };
type Name = keyof typeof addresses;
const makeKey = () => Buffer.from(generateKeyPairSync("x25519").privateKey.export({ format: "jwk" }).d!, "base64url");
const keys = { attic: makeKey().toString("base64"), cellar: makeKey().toString("base64") };

function startHost(lan: Lan, name: Name, endpoints?: string[]) {
  const other = name === "attic" ? "cellar" : "attic";
  const peer = {
    name: other,
    wireguardKey: wireguardPublicKey(keys[other]),
    address: addresses[other],
    endpoints: endpoints ?? [`${lan.address(other)}:51820`],
  };
  const plan: HostPlan = {
    prefix,
    guard: true,
    mesh: { privateKey: keys[name], address: addresses[name], peers: [peer] },
  };
  return lan.spawn(name, [process.execPath, script, JSON.stringify(plan)]);
}
const ping = (lan: Lan, from: Name, to: Name) => lan.on(from)(["ping", "-6", "-c1", "-W1", addresses[to]]);

test.skipIf(skip)("two hosts connect, no changes remain to apply, and a warning names the fallback", async () => {
  await using lan = await makeLan(["attic", "cellar"]);
  const [attic, cellar] = [startHost(lan, "attic"), startHost(lan, "cellar")];
  await Promise.all([attic.says(/warning mesh\.userspace/), attic.says(/due: nothing/), cellar.says(/due: nothing/)]);
  await eventually(() => ping(lan, "attic", "cellar"));
  await ping(lan, "cellar", "attic");
});

test.skipIf(skip)("the mesh restores any part of it that is removed", async () => {
  await using lan = await makeLan(["attic", "cellar"]);
  const [attic, cellar] = [startHost(lan, "attic"), startHost(lan, "cellar")];
  await Promise.all([attic.says(/due: nothing/), cellar.says(/due: nothing/)]);
  const isWhole = async (name: Name) => {
    const ip = (...words: string[]) => lan.on(name)(["ip", "-6", ...words]);
    expect(await ip("address", "show", "dev", "hamlet0")).toContain(`${addresses[name]}/128`);
    expect(await ip("link", "show", "dev", "hamlet0")).toMatch(/[<,]UP[,>].*mtu 1420/s);
    expect(await ip("route", "show", "root", prefix)).toMatch(
      /dev hamlet0.*metric 1024[\s\S]*unreachable .*metric 4096/,
    );
    expect(await lan.on(name)(["nft", "list", "table", "inet", "hamlet"])).toContain("chain guard_arriving");
  };
  const isMended = async () => {
    await Promise.all((Object.keys(addresses) as Name[]).map(isWhole));
    await ping(lan, "attic", "cellar");
    await ping(lan, "cellar", "attic");
  };
  const take = async (name: Name, ...argvs: [string, ...string[]][]) => {
    // Each of these fails if there is nothing to remove.
    for (const argv of argvs) await lan.on(name)(argv);
  };
  await eventually(isMended);
  await take("attic", ["ip", "link", "del", "hamlet0"]);
  await eventually(isMended, { within: 30_000 });
  await take("attic", ["ip", "link", "set", "dev", "hamlet0", "down"]);
  await take("cellar", ["wg", "set", "hamlet0", "peer", wireguardPublicKey(keys.attic), "remove"]);
  await eventually(isMended, { within: 30_000 });
  await take("attic", ["ip", "-6", "address", "del", `${addresses.attic}/128`, "dev", "hamlet0"]);
  await take(
    "cellar",
    ["ip", "-6", "route", "del", prefix, "dev", "hamlet0"],
    ["ip", "-6", "route", "del", "unreachable", prefix],
    ["ip", "link", "set", "dev", "hamlet0", "mtu", "1300"],
    ["nft", "flush", "ruleset"],
  );
  await eventually(isMended, { within: 30_000 });
});

test.skipIf(skip)(
  "the mesh finds the right endpoint after a wrong one and keeps every attempt for `explain`",
  async () => {
    await using lan = await makeLan(["attic", "cellar"]);
    const cellar = startHost(lan, "cellar", []);
    // The first endpoint is a host that does not exist; the cellar has no endpoint at all.
    const attic = startHost(lan, "attic", ["192.168.77.99:51820", `${lan.address("cellar")}:51820`]);
    await Promise.all([attic.says(/mesh up/), cellar.says(/mesh up/)]);
    await eventually(() => ping(lan, "attic", "cellar"), { within: 15_000 });
    await eventually(
      async () => {
        process.kill(attic.pid(), "SIGUSR1");
        const [told] = JSON.parse((await attic.says(/explain (.*"result":"works".*)\n/, 200))[1]!);
        expect(told).toMatchObject({ isFailing: false, inUse: { endpoint: `${lan.address("cellar")}:51820` } });
      },
      { within: 15_000, every: 500 },
    );
  },
);

test.skipIf(skip)(
  "wireguard-go dies with a killed agent; a stopped agent leaves only its protection behind",
  async () => {
    await using lan = await makeLan(["attic"]);
    const links = () => lan.on("attic")(["ip", "-br", "link"]);
    const killed = startHost(lan, "attic", []);
    await killed.says(/due: nothing/);
    expect(await links()).toContain("hamlet0");
    await killed.kill("SIGKILL");
    await eventually(async () => !(await links()).includes("hamlet0"));
    await eventually(
      async () => !/wireguard-go/.test(await lan.on("attic")(["ps", "-e", "-o", "stat,comm"]).then(alive)),
    );

    const stopped = startHost(lan, "attic", []);
    await stopped.says(/due: nothing/);
    await stopped.kill("SIGTERM");
    expect(await stopped.ended).toEqual({ code: 0, signal: null });
    expect(await links()).not.toContain("hamlet0");
    expect(await lan.on("attic")(["ip", "-6", "route", "show", "root", prefix])).toMatch(/^unreachable [^\n]*\n$/);
    expect(await lan.on("attic")(["nft", "list", "tables"])).toBe("table inet hamlet\n");
  },
);
const alive = (ps: string) =>
  ps
    .split("\n")
    .filter((line) => !line.startsWith("Z"))
    .join("\n");

test.skipIf(skip)(
  "a taken port or interface name gives a coded error and leaves other programs' settings unchanged",
  async () => {
    await using lan = await makeLan(["attic", "cellar"]);
    const take = 'require("dgram").createSocket("udp4").bind(51820, () => console.log("taken"))';
    const taker = lan.spawn("attic", [process.execPath, "-e", take]);
    await taker.says(/taken/);
    const attic = startHost(lan, "attic", []);
    await attic.says(/port\.taken/);
    expect((await attic.ended).code).toBe(1);
    await eventually(async () => !(await lan.on("attic")(["ip", "-br", "link"])).includes("hamlet0"));

    await lan.on("cellar")(["ip", "link", "add", "hamlet0", "type", "veth", "peer", "name", "other0"]);
    const before = await lan.on("cellar")(["ip", "link"]);
    const cellar = startHost(lan, "cellar", []);
    await cellar.says(/there is an interface hamlet0 that is not WireGuard \(veth\)[\s\S]*code: 'mesh\.failed'/);
    expect(await lan.on("cellar")(["ip", "link"])).toBe(before);
  },
);

test.skipIf(skip)("the guard returns at once after a firewall flushes every table", async () => {
  await using lan = await makeLan(["attic"]);
  const attic = startHost(lan, "attic", []);
  await attic.says(/due: nothing/);
  const tables = () => lan.on("attic")(["nft", "list", "tables"]);
  await lan.on("attic")(["nft", "flush", "ruleset"]);
  await eventually(async () => (await tables()).includes("inet hamlet"));
});

test.skipIf(skip)("no mesh traffic leaves in clear when hamlet0 is gone, even if another route exists", async () => {
  await using lan = await makeLan(["attic", "cellar"]);
  const attic = lan.on("attic");
  const cellarMac = (await lan.on("cellar")(["cat", "/sys/class/net/eth0/address"])).trim();
  // The worst case: an IPv6 default route and a neighbor entry that accepts anything.
  await attic(["ip", "-6", "route", "add", "default", "dev", "eth0"]);
  await attic(["ip", "-6", "neigh", "add", addresses.cellar, "lladdr", cellarMac, "dev", "eth0", "nud", "permanent"]);
  const shout = () => attic(["ping", "-6", "-c2", "-i0.2", "-W1", addresses.cellar]).catch(() => "");

  expect(await heardOnLink(lan, shout)).toContain(addresses.cellar);

  const host = startHost(lan, "attic", []);
  await host.says(/due: nothing/);
  await host.kill("SIGKILL");
  await eventually(async () => !(await attic(["ip", "-br", "link"])).includes("hamlet0"));
  // The default route still exists, but the unreachable route takes precedence.
  expect(await heardOnLink(lan, shout)).toBe("");
  await expect(attic(["ping", "-6", "-c1", "-W60", addresses.cellar], { timeoutMs: 20_000 })).rejects.toThrow(
    "exited with",
  );

  // A router announces a route into our /48 that is more specific than ours, so only the guard is left.
  await attic(["ip", "-6", "route", "add", "fd12:3456:789a::/64", "dev", "eth0"]);
  expect(await heardOnLink(lan, shout)).toBe("");
  expect(await attic(["nft", "list", "chain", "inet", "hamlet", "guard_leaving"])).toMatch(
    /daddr \S+ counter packets [1-9]/,
  );
});

/** Packets of our /48 that tcpdump sees on the attic's cable while `act` runs. */
async function heardOnLink(lan: Lan, act: () => Promise<unknown>): Promise<string> {
  const port = lan.portOf("attic");
  const listening = Promise.withResolvers<void>();
  const heard = lan.onSwitch(
    ["sh", "-c", `timeout -s INT ${2.5 * slowness()} tcpdump -nn -l -i ${port} net ${prefix}; true`],
    {
      onStderrLine: (line) => line.includes("listening on") && listening.resolve(),
    },
  );
  await listening.promise;
  await act();
  return (await heard).trim();
}
