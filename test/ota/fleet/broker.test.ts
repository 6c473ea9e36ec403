import { connect as connectSocket, type Socket } from "node:net";
import { MqttClient } from "mqtt";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Broker, startBroker } from "../../../ota/fleet/broker.ts";
import { maxPayloadBytes, topicOf } from "../../../ota/fleet/topics.ts";
import { silentLog } from "../../../system/log.ts";
import { eventually } from "../../eventually.ts";

// Loopback addresses replace the mesh: 127.0.0.2 is attic, 127.0.0.3 cellar.
const hood = "n".repeat(26);
const attic = "a".repeat(26);
const cellar = "c".repeat(26);
const kitchen = "k".repeat(26);
const members = new Map([
  ["127.0.0.2", attic],
  ["127.0.0.3", cellar],
]);
const state = { v: 1, state: "online", name: "attic", board: "nuc", release: "1.0.0", address: "fd00::1" };

let broker: Broker;
let clients: MqttClient[] = [];
beforeEach(async () => {
  broker = await startBroker({
    address: "127.0.0.1",
    port: 0,
    neighborhood: hood,
    deviceOfAddress: (address) => members.get(address),
    log: silentLog,
    limits: {
      connectionsPerDevice: 3,
      retained: 2,
      subscriptions: 2,
      burst: 10,
      messagesPerSecond: 1,
      packetBurst: 50,
      returnMs: 300,
      retainedBytes: 2_000,
      retainedShareBytes: 1_000,
    },
  });
});
afterEach(async () => {
  for (const client of clients) client.end(true);
  clients = [];
  members.set("127.0.0.3", cellar);
  await broker.stop();
});

/** Connects from `from`; resolves when the broker accepts, rejects when it refuses. */
function connectFrom(from: string, clientId: string, options = {}): Promise<MqttClient> {
  const client = new MqttClient(() => connectSocket({ host: "127.0.0.1", port: broker.port, localAddress: from }), {
    clientId,
    protocolVersion: 4,
    reconnectPeriod: 0,
    clean: true,
    keepalive: 60,
    ...options,
  });
  clients.push(client);
  return new Promise((resolve, reject) => {
    client.once("connect", () => resolve(client));
    client.once("error", reject);
    client.once("close", () => reject(new Error("closed")));
  });
}
const closed = (client: MqttClient) => new Promise<void>((resolve) => client.once("close", () => resolve()));
const nextMessage = (client: MqttClient) =>
  new Promise<[string, string]>((resolve) =>
    client.once("message", (topic, payload) => resolve([topic, payload.toString()])),
  );

test("a member publishes below its own topic, and another receives it at once and when it subscribes later", async () => {
  const [publisher, reader] = await Promise.all([connectFrom("127.0.0.2", attic), connectFrom("127.0.0.3", cellar)]);
  await reader.subscribeAsync(`hamlet/${hood}/+/state`);
  const received = nextMessage(reader);
  await publisher.publishAsync(topicOf(hood, attic, "state"), JSON.stringify(state), { qos: 1, retain: true });
  expect(await received).toEqual([topicOf(hood, attic, "state"), JSON.stringify(state)]);

  const later = await connectFrom("127.0.0.2", `${attic}.reader`);
  const retained = nextMessage(later);
  await later.subscribeAsync(`hamlet/${hood}/#`);
  expect((await retained)[1]).toBe(JSON.stringify(state));
});

test("what is retained comes with no higher QoS than a subscription asks for, by a filter as by a name", async () => {
  const [publisher, careless] = await Promise.all([connectFrom("127.0.0.2", attic), connectFrom("127.0.0.3", cellar)]);
  await publisher.publishAsync(topicOf(hood, attic, "state"), JSON.stringify(state), { qos: 1, retain: true });
  const qosOf = (client: MqttClient) =>
    new Promise((resolve) => client.once("message", (_topic, _payload, { qos }) => resolve(qos)));
  const [none, one] = [qosOf(careless), qosOf(publisher)];
  await careless.subscribeAsync(`hamlet/${hood}/#`, { qos: 0 });
  expect(await none).toBe(0);
  await publisher.subscribeAsync(`hamlet/${hood}/+/state`, { qos: 1 });
  expect(await one).toBe(1);
  // Of two subscriptions the higher counts.
  const again = qosOf(careless);
  await careless.subscribeAsync(topicOf(hood, attic, "state"), { qos: 1 });
  expect(await again).toBe(1);
});

test("what all devices retain is bounded, and who has most gives way; what finds no room is said and not kept", async () => {
  const [mallory, small] = await Promise.all([connectFrom("127.0.0.2", attic), connectFrom("127.0.0.3", cellar)]);
  const say = (client: MqttClient, device: string, name: "state" | "warnings", bytes: number) => {
    const half = "x".repeat(bytes / 2);
    const warnings = [{ code: "test", message: half, hint: half, since: 0 }];
    const payload = JSON.stringify(name === "state" ? state : { v: 1, warnings });
    return client.publishAsync(topicOf(hood, device, name), payload, { qos: 1, retain: true });
  };
  const live = new Map<string, number>();
  small.on("message", (topic) => live.set(topic, (live.get(topic) ?? 0) + 1));
  await small.subscribeAsync(`hamlet/${hood}/+/warnings`);
  await say(mallory, attic, "warnings", 1_400);
  await say(small, cellar, "state", 0);
  await say(small, cellar, "warnings", 300);
  await say(mallory, attic, "warnings", 1_500);
  await say(mallory, attic, "state", 0);
  const reader = await connectFrom("127.0.0.3", `${cellar}.reader`);
  const found: string[] = [];
  reader.on("message", (topic) => found.push(topic));
  await reader.subscribeAsync(`hamlet/${hood}/#`);
  await eventually(() => expect(found.length).toBeGreaterThan(2));
  expect(found.sort()).toEqual(
    [topicOf(hood, attic, "state"), topicOf(hood, cellar, "state"), topicOf(hood, cellar, "warnings")].sort(),
  );
  // Said, given up, and said again.
  await eventually(() => expect(live.get(topicOf(hood, attic, "warnings"))).toBe(3));
});

test("a source that is not a member gets no answer at all", async () => {
  await expect(connectFrom("127.0.0.9", attic)).rejects.toThrow();
  expect(broker.counts()).toEqual({ clients: 0, refused: 1 });
});

test("the broker rejects a client id that is not the id of the address's device", async () => {
  await expect(connectFrom("127.0.0.2", cellar)).rejects.toThrow(/Identifier rejected/i);
  await expect(connectFrom("127.0.0.2", `${attic}x`)).rejects.toThrow(/Identifier rejected/i);
  await expect(connectFrom("127.0.0.2", `${attic}.A`)).rejects.toThrow(/Identifier rejected/i);
});

test.each([
  ["another's topic", topicOf(hood, cellar, "state"), JSON.stringify(state)],
  ["another neighborhood's topic", topicOf("x".repeat(26), attic, "state"), JSON.stringify(state)],
  ["the broker's own topic", "$SYS/broker", "1"],
  ["a message to all devices", `hamlet/${hood}/all/update`, "1"],
  ["a payload that its schema refuses", topicOf(hood, attic, "state"), JSON.stringify({ ...state, state: "on" })],
  ["a payload that is not JSON", topicOf(hood, attic, "metrics"), "{"],
  ["a payload too large", `hamlet/${hood}/${attic}/more`, "x".repeat(maxPayloadBytes + 1)],
  ["an announcement in another's name", `homeassistant/sensor/${cellar}/cpu/config`, "{}"],
  [
    "an announcement that shows another's values",
    `homeassistant/sensor/${attic}/cpu/config`,
    JSON.stringify({ state_topic: topicOf(hood, cellar, "metrics") }),
  ],
])("publishing %s ends the connection and reaches no subscriber", async (_what, topic, payload) => {
  const reader = await connectFrom("127.0.0.3", cellar);
  await reader.subscribeAsync("#");
  const received: string[] = [];
  reader.on("message", (at) => received.push(at));
  const publisher = await connectFrom("127.0.0.2", attic);
  const gone = closed(publisher);
  publisher.publish(topic, payload);
  await gone;
  expect(received).toEqual([]);
  expect(broker.counts().refused).toBe(1);
});

test("an oversized packet ends the connection at its first bytes", async () => {
  const publisher = await connectFrom("127.0.0.2", attic);
  const gone = closed(publisher);
  publisher.publish(`hamlet/${hood}/${attic}/more`, Buffer.alloc(1 << 20));
  await gone;
  expect(broker.counts().refused).toBe(1);
});

test("a last will must obey the same rules as its device", async () => {
  const reader = await connectFrom("127.0.0.3", cellar);
  await reader.subscribeAsync("#");
  const offline = JSON.stringify({ ...state, state: "offline" });
  const liar = await connectFrom("127.0.0.2", attic, {
    will: { topic: topicOf(hood, cellar, "state"), payload: Buffer.from(offline), qos: 0, retain: true },
  });
  const honest = await connectFrom("127.0.0.2", `${attic}.two`, {
    will: { topic: topicOf(hood, attic, "state"), payload: Buffer.from(offline), qos: 0, retain: true },
  });
  const received = nextMessage(reader);
  liar.stream.destroy();
  honest.stream.destroy();
  expect((await received)[0]).toBe(topicOf(hood, attic, "state"));
});

test.each(["$SYS/#", "hamlet/other/#", "elsewhere/+"])("the broker refuses a subscription to %s", async (filter) => {
  const reader = await connectFrom("127.0.0.3", cellar);
  await expect(reader.subscribeAsync(filter)).rejects.toThrow();
  expect(broker.counts().refused).toBe(1);
});

test("the broker limits subscriptions, retained topics, connections and messages", async () => {
  const reader = await connectFrom("127.0.0.3", cellar);
  await reader.subscribeAsync([`hamlet/${hood}/a/#`, `hamlet/${hood}/b/#`]);
  await expect(reader.subscribeAsync(`hamlet/${hood}/c/#`)).rejects.toThrow();

  const retainer = await connectFrom("127.0.0.2", attic);
  for (const name of ["one", "two"]) {
    await retainer.publishAsync(`hamlet/${hood}/${attic}/${name}`, "1", { retain: true, qos: 1 });
  }
  const full = closed(retainer);
  retainer.publish(`hamlet/${hood}/${attic}/three`, "1", { retain: true });
  await full;

  const talker = await connectFrom("127.0.0.2", attic);
  const tooFast = closed(talker);
  for (let sent = 0; sent < 12; sent++) talker.publish(`hamlet/${hood}/${attic}/one`, "1");
  await tooFast;

  for (const name of ["a", "b"]) await connectFrom("127.0.0.3", `${cellar}.${name}`);
  await expect(connectFrom("127.0.0.3", `${cellar}.c`)).rejects.toThrow();
});

test("the rate is a device's, however many connections it has and however often it connects", async () => {
  const publish = (client: MqttClient) => client.publish(`hamlet/${hood}/${attic}/one`, "1");
  const [first, second] = await Promise.all([connectFrom("127.0.0.2", attic), connectFrom("127.0.0.2", `${attic}.b`)]);
  const tooFast = closed(second);
  for (let sent = 0; sent < 6; sent++) publish(first);
  for (let sent = 0; sent < 6; sent++) publish(second);
  await tooFast;
  await expect(connectFrom("127.0.0.2", `${attic}.b`)).rejects.toThrow();
});

test("a device that subscribes, connects or acknowledges without end is cut off, and the others are served", async () => {
  const asking = await connectFrom("127.0.0.2", attic);
  const tooOften = closed(asking);
  for (let sent = 0; sent < 12; sent++) asking.subscribe(`hamlet/${hood}/#`);
  await tooOften;
  await expect(connectFrom("127.0.0.2", attic)).rejects.toThrow();

  const puback = Buffer.from([0x40, 2, 0, 9]);
  const flooding = await connectFrom("127.0.0.3", cellar);
  const flooded = closed(flooding);
  (flooding.stream as Socket).write(Buffer.concat(Array.from({ length: 60 }, () => puback)));
  await flooded;

  members.set("127.0.0.4", kitchen);
  const reader = await connectFrom("127.0.0.4", kitchen);
  await reader.subscribeAsync(`hamlet/${hood}/#`);
  members.delete("127.0.0.4");
});

const kept = (device: string, more: object = {}) => ({
  topic: topicOf(hood, device, "state"),
  payload: Buffer.from(JSON.stringify({ ...state, ...more })),
  qos: 1 as const,
});
const inherit = (messages: ReturnType<typeof kept>[], before = performance.now()) =>
  broker.inherit(messages, { isMember: (device) => [...members.values()].includes(device), before });
async function states(): Promise<string[]> {
  const reader = await connectFrom("127.0.0.3", `${cellar}.reader`);
  const found: string[] = [];
  reader.on("message", (topic, payload) => found.push(`${topic.split("/")[2]} ${JSON.parse(String(payload)).state}`));
  await reader.subscribeAsync(`hamlet/${hood}/+/state`);
  await new Promise((resolve) => setTimeout(resolve, 100));
  await reader.endAsync();
  return found;
}

test("a device whose state was inherited and that does not connect in time is said to be offline", async () => {
  inherit([kept(attic)]);
  expect(await states()).toEqual([`${attic} online`]);
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(await states()).toEqual([`${attic} offline`]);
});

test("nothing is inherited of a stranger, of a device that is connected, in a wrong form or against newer word", async () => {
  inherit([kept("x".repeat(26)), { ...kept(attic), payload: Buffer.from("{") }]);
  inherit([{ ...kept(attic), topic: `$SYS/${hood}/${attic}/state` }]);
  expect(await states()).toEqual([]);
  const before = performance.now();
  const speaker = await connectFrom("127.0.0.2", attic);
  const topic = topicOf(hood, attic, "state");
  await speaker.publishAsync(topic, JSON.stringify({ ...state, state: "offline" }), { qos: 1, retain: true });
  inherit([kept(attic)], performance.now() + 1_000);
  await speaker.endAsync();
  inherit([kept(attic)], before);
  expect(await states()).toEqual([`${attic} offline`]);
});

test("a device that is no longer a member can neither publish nor receive on its open connection", async () => {
  const [speaker, leaver] = await Promise.all([connectFrom("127.0.0.2", attic), connectFrom("127.0.0.3", cellar)]);
  await leaver.subscribeAsync(`hamlet/${hood}/#`);
  members.delete("127.0.0.3");
  const received: string[] = [];
  leaver.on("message", (topic) => received.push(topic));
  await speaker.publishAsync(topicOf(hood, attic, "state"), JSON.stringify(state), { qos: 1 });
  const gone = closed(leaver);
  leaver.publish(`hamlet/${hood}/${cellar}/more`, "1");
  await gone;
  expect(received).toEqual([]);
});

test("a taken port gives a coded error", async () => {
  const again = startBroker({
    address: "127.0.0.1",
    port: broker.port,
    neighborhood: hood,
    deviceOfAddress: () => undefined,
    log: silentLog,
  });
  await expect(again).rejects.toMatchObject({ code: "port.taken" });
});

test("an address that is not this device's gives a coded error", async () => {
  const elsewhere = startBroker({
    address: "192.0.2.1",
    port: 0,
    neighborhood: hood,
    deviceOfAddress: () => undefined,
    log: silentLog,
  });
  await expect(elsewhere).rejects.toMatchObject({
    code: "broker.failed",
    message: expect.stringContaining("192.0.2.1"),
  });
});
