// Devices on one LAN meet over real multicast on a bridge and real HTTP, with avahi as an independent witness.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";
import { startAvahi } from "./avahi.ts";
import { type Lan, makeLan } from "./lan.ts";

const skip = lacks("namespaces", "nft");
const start = (lan: Lan, name: string, ...seeds: string[]) =>
  // Keep the young generation small, as on a device: otherwise a burst of packets counts as memory until the next collection.
  lan.spawn(
    name,
    [process.execPath, "--max-semi-space-size=2", `${import.meta.dirname}/discoverer.ts`, name, ...seeds],
    {
      env: { HAMLET_LOG: "debug" },
    },
  );
const flood = (lan: Lan, name: string, kind: string, packets: number, sources: string[]) =>
  lan.on(name)([process.execPath, `${import.meta.dirname}/flood.ts`, kind, `${packets}`, ...sources], {
    timeoutMs: 60_000,
  });
/** CPU time of a process in ms. */
const cpuMs = (pid: number) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
};

test.skipIf(skip)("devices without a default route meet, greet and notice each other leaving", async () => {
  await using lan = await makeLan(["attic", "cellar"], { defaultRoute: false });
  const attic = start(lan, "attic");
  await attic.says(/^up/m);
  const cellar = start(lan, "cellar");
  await cellar.says(/^up/m);
  const startedAt = performance.now();
  await Promise.all([attic.says(/^greeted cellar/m), cellar.says(/^greeted attic/m)]);
  console.log(`greeted after ${(performance.now() - startedAt).toFixed(0)} ms`);
  await attic.says(new RegExp(`^neighbor cellar ${lan.address("cellar")}`, "m"));
  await attic.says(/^neighbor cellar fe80::[0-9a-f:]+%eth0/m);
  process.kill(attic.pid(), "SIGUSR2");
  await attic.says(/^table 2 /m);
  await cellar.kill();
  expect(cellar.output()).toMatch(/^down/m);
  await eventually(async () => {
    process.kill(attic.pid(), "SIGUSR2");
    await attic.says(/^table 0 /m, 100);
  });
});

test.skipIf(skip)("devices meet over IPv6 before DHCP answers, and announce their IPv4 address later", async () => {
  await using lan = await makeLan(["attic", "cellar"], { ipv4: false });
  const attic = start(lan, "attic");
  await attic.says(/^up/m);
  const cellar = start(lan, "cellar");
  await attic.says(/^greeted cellar fe80/m);
  await lan.on("attic")(["ip", "addr", "add", "192.168.77.11/24", "dev", "eth0"]);
  await lan.on("cellar")(["ip", "addr", "add", "192.168.77.12/24", "dev", "eth0"]);
  await attic.says(/^neighbor cellar 192\.168\.77\.12/m);
  await cellar.says(/^neighbor attic 192\.168\.77\.11/m);
});

test.skipIf(skip)("discovery resumes after a network card is pulled out and put back", async () => {
  await using lan = await makeLan(["attic", "cellar"]);
  const attic = start(lan, "attic");
  const cellar = start(lan, "cellar");
  const [, before] = await attic.says(/^neighbor cellar 192\S+ (\S+)/m);
  await cellar.says(/^neighbor attic/m);
  await lan.replug("cellar");
  await attic.says(new RegExp(`^neighbor cellar 192\\S+ (?!${before})`, "m"));
  await attic.says(/^greeted cellar(.|\n)*^greeted cellar/m);
});

test.skipIf(skip || lacks("avahi-daemon", "avahi-browse", "dbus-daemon"))(
  "avahi, on its own host or on a device, lists the devices with addresses of this LAN only",
  async () => {
    await using lan = await makeLan(["attic", "cellar", "witness"]);
    // A second network on attic, such as a container bridge.
    await lan.on("attic")(["ip", "link", "add", "docker0", "type", "bridge"]);
    await lan.on("attic")(["ip", "addr", "add", "172.17.0.1/16", "dev", "docker0"]);
    await lan.on("attic")(["ip", "link", "set", "docker0", "up"]);
    for (const host of ["witness", "cellar"]) await startAvahi(lan, host);
    const devices = [start(lan, "attic"), start(lan, "cellar")];
    await Promise.all(devices.map((device) => device.says(/^greeted/m)));
    for (const host of ["witness", "cellar"]) {
      const listed = await eventually(
        async () => {
          const text = await lan.on(host)(["avahi-browse", "-rtp", "_hamlet._udp"]);
          for (const name of ["attic", "cellar"]) {
            expect(text).toMatch(new RegExp(`^=;eth0;IPv4;${name}-\\w{8};_hamlet._udp;local;${name}.local;`, "m"));
          }
          return text;
        },
        { within: 10_000 },
      );
      expect(listed).toContain(`;attic.local;${lan.address("attic")};7780;`);
      expect(listed).toMatch(/"n=0011aabb"/);
      expect(listed).not.toContain("172.17.0.1");
    }
    await devices[1]!.kill();
    await eventually(async () => {
      const text = await lan.on("witness")(["avahi-browse", "-tp", "_hamlet._udp"]);
      expect(text).not.toContain("cellar");
      expect(text).toContain("attic");
    });
  },
);

test.skipIf(skip)(
  "twenty thousand forged devices cost little and hide no device, and queries are not amplified",
  async () => {
    await using lan = await makeLan(["attic", "cellar", "mallory"]);
    const attic = start(lan, "attic");
    await attic.says(/^up/m);
    const sources = Array.from({ length: 20 }, (_, n) => `192.168.77.${200 + n}`);
    for (const source of sources) await lan.on("mallory")(["ip", "addr", "add", `${source}/24`, "dev", "eth0"]);
    // Count mDNS packets only: hellos to forged devices are packets too.
    const counter = `table inet test {
      chain leaving { type filter hook output priority 0; udp sport 5353 counter; }
    }`;
    await lan.on("attic")(["nft", "-f", "-"], { input: counter });
    const sent = async () =>
      Number(/packets (\d+)/.exec(await lan.on("attic")(["nft", "list", "table", "inet", "test"]))![1]);

    process.kill(attic.pid(), "SIGUSR2");
    const [, rssBefore] = await attic.says(/^table 0 (\d+)/m);
    const cost = async (kind: string, packets: number) => {
      const before = cpuMs(attic.pid());
      await flood(lan, "mallory", kind, packets, sources);
      return cpuMs(attic.pid()) - before;
    };
    await cost("garbage", 2_000);
    const [empty, services] = [await cost("empty", 5_000), await cost("services", 20_000)];
    process.kill(attic.pid(), "SIGUSR2");
    const [, size, rss] = await attic.says(/^table ([1-9]\d*) (\d+)/m);
    console.log(
      `CPU: 5,000 empty packets ${empty} ms, 20,000 forged devices ${services} ms; table ${size}, RSS ${(Number(rssBefore) / 1e6).toFixed(0)} -> ${(Number(rss) / 1e6).toFixed(0)} MB`,
    );
    // Compare with empty packets in the same run: searching a list for each packet took 38 s.
    expect(services / 4).toBeLessThan(16 * Math.max(empty, 100));
    expect(Number(size)).toBeLessThanOrEqual(80);
    expect(Number(rss) - Number(rssBefore)).toBeLessThan(64e6);

    const [sentBefore, startedAt] = [await sent(), performance.now()];
    await flood(lan, "mallory", "queries", 2_000, sources);
    const tookS = (performance.now() - startedAt) / 1000;
    const answers = (await sent()) - sentBefore;
    console.log(`80,000 questions in ${tookS.toFixed(1)} s: ${answers} packets sent`);
    expect(answers).toBeGreaterThan(0);
    // RFC 6762 6: a record set is multicast at most once a second. Our own questions and announcements come on top.
    expect(answers).toBeLessThan(10 + 4 * tookS);

    const cellar = start(lan, "cellar");
    await attic.says(/^heard cellar/m);
    await cellar.says(/^greeted attic/m);
  },
);

test.skipIf(skip)(
  "m2, m2-device: a device spends no more on packets with false counts than on empty ones",
  async () => {
    await using lan = await makeLan(["attic", "mallory", "cellar"]);
    const attic = start(lan, "attic");
    await attic.says(/^up/m);
    const sources = Array.from({ length: 20 }, (_, n) => `192.168.77.${200 + n}`);
    for (const source of sources) await lan.on("mallory")(["ip", "addr", "add", `${source}/24`, "dev", "eth0"]);
    const cost = async (kind: string) => {
      const before = cpuMs(attic.pid());
      await flood(lan, "mallory", kind, 4_000, sources);
      // The device reads everything sent before the question before it answers.
      process.kill(attic.pid(), "SIGUSR2");
      await attic.says(/^table /m);
      return cpuMs(attic.pid()) - before;
    };
    await cost("empty");
    const [empty, counts, pointers] = [await cost("empty"), await cost("counts"), await cost("pointers")];
    console.log(`4,000 packets, CPU: empty ${empty} ms, counts ${counts} ms, pointers ${pointers} ms`);
    // Decoding 4,000 of them took a hundred times as long. The CPU clock ticks every 10 ms.
    expect(counts).toBeLessThan(4 * Math.max(empty, 100));
    expect(pointers).toBeLessThan(8 * Math.max(empty, 100));
    const cellar = start(lan, "cellar");
    await cellar.says(/^greeted attic/m);
  },
);

test.skipIf(skip)(
  "m5, m5-ask: a host that keeps asking for hamlet.local does not starve the questions of others",
  async () => {
    await using lan = await makeLan(["attic", "mallory", "honest"]);
    await start(lan, "attic").says(/^up/m);
    const ask = (host: string, name: string, type: string, questions: number, everyMs: number) => {
      const asker = [process.execPath, `${import.meta.dirname}/asker.ts`, lan.address(host), name, type];
      return lan.spawn(host, [...(asker as [string, ...string[]]), `${questions}`, `${everyMs}`]);
    };
    const mallory = ask("mallory", "hamlet.local", "A", 240, 50);
    const honest = ask("honest", "_hamlet._udp.local", "PTR", 8, 1_100);
    const [, heard] = await honest.says(/^asked 8 heard (\d+)/m, 30_000);
    const [, flooded] = await mallory.says(/^asked 240 heard (\d+)/m, 60_000);
    console.log(`honest: 8 questions, ${heard} answers; flood: 240 questions, ${flooded} answers`);
    expect(Number(heard)).toBeGreaterThanOrEqual(8);
    expect(Number(flooded)).toBeGreaterThan(0);
    expect(Number(flooded)).toBeLessThan(120);
  },
);

test.skipIf(skip || lacks("nft"))("a seed is enough where multicast is blocked, and a warning says so", async () => {
  await using lan = await makeLan(["attic", "cellar"]);
  for (const line of [
    "add table bridge quiet",
    "add chain bridge quiet forward { type filter hook forward priority 0; }",
  ]) {
    await lan.onSwitch(["nft", line]);
  }
  await lan.onSwitch(["nft", "add rule bridge quiet forward ether type { ip, ip6 } udp dport 5353 drop"]);
  const cellar = start(lan, "cellar");
  const attic = start(lan, "attic", lan.address("cellar"), "not a seed", "does-not-exist.invalid");
  await attic.says(/^greeted cellar/m);
  await attic.says(/^warning config.invalid not a seed/m);
  await attic.says(/^warning discovery.multicastBlocked eth0/m, 20_000);
  expect(cellar.output()).not.toMatch(/^neighbor/m);
});

test.skipIf(skip)("discovery works without port 5353 or 7780 when other programs hold them", async () => {
  await using lan = await makeLan(["attic", "cellar"]);
  const script = `
    require("net").createServer().listen(7780);
    require("dgram").createSocket("udp4").bind(5353, () => console.log("held"));`;
  await lan.spawn("attic", [process.execPath, "-e", script]).says(/held/);
  const attic = start(lan, "attic", lan.address("cellar"));
  await attic.says(/^warning port.taken 7780/m);
  await attic.says(/^warning discovery.failed eth0/m);
  start(lan, "cellar");
  await attic.says(/^greeted cellar/m);
});
