// A program that is away for a while, as Home Assistant for a night, gets afterwards what it has missed: from whichever broker there is.
// Loopback stands in for the mesh; brokers, members in line and mosquitto's clients are the real ones.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MqttClient } from "mqtt";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Warnings } from "../../../agent/health/warnings.ts";
import { BrokerHost } from "../../../agent/telemetry/broker-host.ts";
import { SessionFile } from "../../../agent/telemetry/session-file.ts";
import { topicOf } from "../../../ota/fleet/topics.ts";
import { every, sleep, systemClock } from "../../../system/clock.ts";
import { silentLog } from "../../../system/log.ts";
import { eventually } from "../../eventually.ts";
import { lacks } from "../../lacks.ts";
import { addresses, freePort, idOf, neighborhood } from "./loopback.ts";

const ended: (() => Promise<unknown> | unknown)[] = [];
let port = 0;

beforeEach(async () => {
  port = await freePort();
});
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

/** A member that looks every 50 ms whom it takes for alive; `die` as by a cut of its power. */
function member(id: string, alive: () => string[], path?: string) {
  const host = new BrokerHost({
    self: { id, neighborhood, address: addresses[id]! },
    ...{ port, external: undefined, alive, idOf, log: silentLog, warnings: new Warnings(systemClock, silentLog) },
    addressOf: (other) => addresses[other],
    ...(path !== undefined && { sessionFile: new SessionFile(path, silentLog) }),
  });
  const timer = every(50, () => host.keep(), console.error);
  const stop = async () => {
    timer.stop();
    await host.stop();
  };
  ended.push(stop);
  return { host, stop };
}

type Subscriber = { output(): string; kill(signal: NodeJS.Signals): Promise<void> };

function mosquitto(host: string, ...more: string[]): Subscriber {
  const to = ["-h", addresses[host]!, "-A", addresses["shed"]!, "-p", `${port}`, "-i", "shed.home"];
  const program = spawn("stdbuf", ["-oL", "mosquitto_sub", ...to, "-d", "-F", "got %r %p", ...more], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const gone = new Promise<void>((resolve) => program.once("close", () => resolve()));
  let output = "";
  for (const stream of [program.stdout, program.stderr])
    stream.setEncoding("utf8").on("data", (text) => (output += text));
  const kill = (signal: NodeJS.Signals) => {
    program.kill(signal);
    return gone;
  };
  ended.push(() => kill("SIGKILL"));
  return { output: () => output, kill };
}

/** mosquitto's client on the shed, with a session that outlives it. */
const subscriber = (host: string): Promise<Subscriber> =>
  eventually(async () => {
    const client = mosquitto(host, "-c", "-q", "1", "-t", `hamlet/${neighborhood}/+/warnings`);
    for (let left = 50; left > 0; left--) {
      if (client.output().includes("received SUBACK")) return client;
      await sleep(20);
    }
    await client.kill("SIGKILL");
    return false;
  });

/** What has come, but for what is retained, which comes with each subscription. */
const texts = (client: Subscriber): string[] =>
  [...client.output().matchAll(/^got 0 .*"message":"([^"]*)"/gm)].map(([, text = ""]) => text);

async function warn(from: string, host: string, message: string): Promise<void> {
  const open = () => connect({ host: addresses[host]!, port, localAddress: addresses[from]! });
  const client = new MqttClient(open, { clientId: `${from}.test`, protocolVersion: 4, reconnectPeriod: 0 });
  client.on("error", () => {});
  try {
    await new Promise<void>((resolve, reject) =>
      client.once("connect", () => resolve()).once("close", () => reject(new Error("closed"))),
    );
    const payload = { v: 1, warnings: [{ code: "test", message, hint: "", since: 0 }] };
    await client.publishAsync(topicOf(neighborhood, from, "warnings"), JSON.stringify(payload), {
      qos: 1,
      retain: true,
    });
  } finally {
    client.end(true);
  }
}

/** Connects for good, says that it is there, and is gone without a word. */
async function beAway(host: string): Promise<void> {
  const client = await subscriber(host);
  await client.kill("SIGKILL");
  await sleep(100);
}

test.skipIf(lacks("mosquitto_sub"))("whoever comes back gets what it has missed, in order and once", async () => {
  member("attic", () => ["attic"]);
  await beAway("attic");
  for (const number of [1, 2, 3]) await warn("cellar", "attic", `missed ${number}`);
  const back = await subscriber("attic");
  await eventually(() => expect(texts(back)).toEqual(["missed 1", "missed 2", "missed 3"]));
  await warn("cellar", "attic", "live");
  await eventually(() => expect(texts(back).at(-1)).toBe("live"));
  await back.kill("SIGTERM");
  const again = await subscriber("attic");
  await sleep(500);
  expect(texts(again)).toEqual([]);
});

test.skipIf(lacks("mosquitto_sub"))(
  "what waits outlives the broker's host, and goes with the broker back to the host that returns",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "hamlet-absent-"));
    ended.push(() => rm(folder, { recursive: true }));
    let alive = ["attic", "cellar", "kitchen"];
    const attic = member("attic", () => alive, join(folder, "sessions.json"));
    await beAway("attic");
    // They follow it from the beginning: their first attempt finds it.
    member("cellar", () => alive);
    member("kitchen", () => alive);
    await sleep(1_500);
    await warn("cellar", "attic", "said to attic");
    await sleep(1_500);
    await attic.stop();
    alive = ["cellar", "kitchen"];
    await eventually(() => warn("kitchen", "cellar", "said to cellar"));

    const there = await subscriber("cellar");
    await eventually(() => expect(texts(there)).toEqual(["said to attic", "said to cellar"]));
    await there.kill("SIGKILL");
    await warn("kitchen", "cellar", "said to cellar again");
    await sleep(200);

    alive = ["attic", "cellar", "kitchen"];
    // What its file says still waits has arrived meanwhile.
    member("attic", () => alive, join(folder, "sessions.json"));
    await eventually(() => warn("kitchen", "attic", "said to the new attic"));
    await sleep(1_000);
    const back = await subscriber("attic");
    await eventually(() => expect(texts(back)).toEqual(["said to cellar again", "said to the new attic"]));
  },
);

test.skipIf(lacks("mosquitto_sub"))(
  "what waits at the only device outlives its restart, and its file is no larger than what waits",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "hamlet-absent-"));
    ended.push(() => rm(folder, { recursive: true }));
    const path = join(folder, "sessions.json");
    const attic = member("attic", () => ["attic"], path);
    await beAway("attic");
    await warn("cellar", "attic", "before the restart");
    await attic.stop();
    expect((await readFile(path)).length).toBeLessThan(2_000);
    const restarted = member("attic", () => ["attic"], path);
    const back = await subscriber("attic");
    await eventually(() => expect(texts(back)).toEqual(["before the restart"]));
    await back.kill("SIGTERM");
    await restarted.stop();
    member("attic", () => ["attic"], path);
    const again = await subscriber("attic");
    await sleep(500);
    expect(texts(again)).toEqual([]);
  },
);

test.skipIf(lacks("mosquitto_sub"))("a client that asks for no session ends the one that it had", async () => {
  member("attic", () => ["attic"]);
  await beAway("attic");
  await warn("cellar", "attic", "missed");
  const clean = mosquitto("attic", "-t", `hamlet/${neighborhood}/+/state`);
  await eventually(() => clean.output().includes("received SUBACK"));
  await clean.kill("SIGTERM");
  const back = await subscriber("attic");
  await sleep(500);
  expect(texts(back)).toEqual([]);
  expect(back.output()).toMatch(/r1/);
});
