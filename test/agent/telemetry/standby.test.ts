// Loopback stands in for the mesh; brokers and clients are the real ones.
import { connect } from "node:net";
import { MqttClient } from "mqtt";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Warnings } from "../../../agent/health/warnings.ts";
import { BrokerHost } from "../../../agent/telemetry/broker-host.ts";
import { topicOf } from "../../../ota/fleet/topics.ts";
import { every, sleep, systemClock } from "../../../system/clock.ts";
import { silentLog } from "../../../system/log.ts";
import { eventually } from "../../eventually.ts";
import { addresses, freePort, idOf, neighborhood } from "./loopback.ts";

const ended: (() => Promise<unknown> | unknown)[] = [];
let port = 0;

beforeEach(async () => {
  port = await freePort();
});
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

/** A member that looks every 50 ms whom it takes for alive. */
function member(id: string, alive: () => string[]): BrokerHost {
  const warnings = new Warnings(systemClock, silentLog);
  const host = new BrokerHost({
    self: { id, neighborhood, address: addresses[id]! },
    ...{ port, external: undefined, alive, idOf, log: silentLog, warnings },
    addressOf: (other) => addresses[other],
  });
  const timer = every(50, () => host.keep(), console.error);
  ended.push(async () => {
    timer.stop();
    await host.stop();
  });
  return host;
}

async function client(id: string, host: string): Promise<MqttClient> {
  const open = () => connect({ host: addresses[host]!, port, localAddress: addresses[id]! });
  const one = new MqttClient(open, { clientId: `${id}.test`, protocolVersion: 4, reconnectPeriod: 0 });
  one.on("error", () => {});
  ended.push(() => one.end(true));
  await new Promise<void>((resolve, reject) =>
    one.once("connect", () => resolve()).once("close", () => reject(new Error("closed"))),
  );
  return one;
}

const stateOf = (name: string, release = "1") =>
  JSON.stringify({ v: 1, state: "online", name, board: "nuc", release, address: "fd00::1" });

async function say(id: string, host: string, payload: string): Promise<void> {
  const one = await eventually(() => client(id, host), { within: 5_000 });
  await one.publishAsync(topicOf(neighborhood, id, "state"), payload, { qos: 1, retain: true });
  await one.endAsync();
}

/** What the broker at `host` retains of states, by device. */
async function retained(host: string): Promise<Record<string, string>> {
  const one = await client("kitchen", host);
  const found: Record<string, string> = {};
  one.on("message", (topic, payload) => {
    const { state, release } = JSON.parse(String(payload));
    found[topic.split("/")[2]!] = `${state} ${release}`;
  });
  await one.subscribeAsync(`hamlet/${neighborhood}/+/state`);
  await sleep(200);
  await one.endAsync();
  return found;
}

test("what the host retained of a device that is gone is there when the next member takes over", async () => {
  let alive = ["attic", "cellar", "kitchen"];
  const attic = member("attic", () => alive);
  await say("shed", "attic", stateOf("shed"));
  member("cellar", () => alive);
  // Time for the next in line to copy it.
  await sleep(1_500);

  alive = ["cellar", "kitchen"];
  await attic.stop();
  await eventually(async () => expect(await retained("cellar")).toEqual({ shed: "online 1" }), { within: 5_000 });
});

test("when a split heals, the broker that stays takes over what the other one knows of devices that are gone", async () => {
  const sides = { attic: ["attic"], cellar: ["cellar"] };
  member("attic", () => sides.attic);
  member("cellar", () => sides.cellar);
  await say("shed", "cellar", stateOf("shed", "1"));
  // Both have heard the kitchen; attic later.
  await say("kitchen", "cellar", stateOf("kitchen", "1"));
  await say("kitchen", "attic", stateOf("kitchen", "2"));

  sides.attic = ["attic", "cellar"];
  sides.cellar = ["attic", "cellar"];
  await eventually(async () => expect(await retained("attic")).toEqual({ shed: "online 1", kitchen: "online 2" }), {
    within: 5_000,
  });
});

test("a member that was not the others' host changes nothing that the broker keeps of them, and fills in what it lacks", async () => {
  let alive = ["attic", "cellar", "kitchen"];
  member("attic", () => alive);
  await say("shed", "attic", stateOf("shed", "1"));
  await sleep(200);
  alive = ["attic", "cellar"];
  member("kitchen", () => ["kitchen"]);
  await say("shed", "kitchen", stateOf("shed", "made up"));
  await say("cellar", "kitchen", stateOf("cellar", "2"));
  alive = ["attic", "cellar", "kitchen"];
  await eventually(async () => expect(await retained("attic")).toEqual({ shed: "online 1", cellar: "online 2" }), {
    within: 5_000,
  });
});

test("a lower id that comes back takes the broker over with all that is retained", async () => {
  let alive = ["cellar", "kitchen"];
  member("cellar", () => alive);
  await say("shed", "cellar", stateOf("shed"));
  alive = ["attic", "cellar", "kitchen"];
  member("attic", () => alive);
  await eventually(async () => expect(await retained("attic")).toEqual({ shed: "online 1" }), { within: 5_000 });
});
