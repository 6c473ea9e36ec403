import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { MqttClient } from "mqtt";
import { afterEach, expect, test } from "vitest";
import { startTelemetry, type Telemetry, type TelemetryOptions } from "../../../agent/telemetry/publisher.ts";
import { type Broker, startBroker } from "../../../ota/fleet/broker.ts";
import { type MetricsPayload, topicOf, topics, type UpdatePayload } from "../../../ota/fleet/topics.ts";
import { systemClock } from "../../../system/clock.ts";
import { silentLog } from "../../../system/log.ts";
import { eventually } from "../../eventually.ts";

const hood = "n".repeat(26);
const noWarnings = { list: () => [], raise() {}, clear() {} };
const ids: Record<string, string> = { "127.0.0.2": "a".repeat(26), "127.0.0.3": "c".repeat(26) };
const started: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const part of started.splice(0).reverse()) await part.stop();
});

async function broker(address: string, port = 0): Promise<Broker> {
  const made = await startBroker({
    address,
    port,
    neighborhood: hood,
    deviceOfAddress: (from) => ids[from],
    log: silentLog,
  });
  started.push(made);
  return made;
}
const metrics = (cpu: number): MetricsPayload => ({
  ...{ at: 1, cpu, load1: 0, uptimeS: 1, memoryTotal: 4, memoryAvailable: 2, agentRss: 1 },
  ...{ linkRx: 1, linkTx: 1, meshRx: 1, meshTx: 1 },
});
function device(
  address: string,
  options: Partial<TelemetryOptions> & Pick<TelemetryOptions, "brokerAddress" | "port">,
) {
  const made = startTelemetry({
    self: { id: ids[address]!, neighborhood: hood, name: () => "x", board: "nuc", release: "1", address },
    sample: async () => metrics(0.5),
    peers: () => [],
    inventory: () => Promise.reject(new Error("none in this test")),
    warnings: noWarnings,
    homeAssistant: true,
    log: silentLog,
    clock: systemClock,
    intervalMs: 40,
    retryMs: 20,
    ...options,
  });
  started.push(made);
  return made;
}
const until = (what: () => boolean) => eventually(what, { every: 10 });
const knows = (telemetry: Telemetry, count: number) => () => telemetry.latest().size === count;

test("two devices see each other's metrics through the broker of one of them", async () => {
  const { port } = await broker("127.0.0.2");
  const brokerAddress = () => "127.0.0.2";
  const attic = device("127.0.0.2", { brokerAddress, port });
  const cellar = device("127.0.0.3", { brokerAddress, port });
  await Promise.all([until(knows(attic, 2)), until(knows(cellar, 2))]);
  expect(cellar.latest().get(ids["127.0.0.2"]!)).toEqual(metrics(0.5));
});

test("a device hears how another one reaches its peers, as far as that fits the schema", async () => {
  const { port } = await broker("127.0.0.2");
  const brokerAddress = () => "127.0.0.2";
  const peers = [{ id: "k".repeat(26), path: "sameLink", handshakeAgeS: 14, rttMs: 0.7 }];
  device("127.0.0.2", { brokerAddress, port, peers: () => peers });
  const cellar = device("127.0.0.3", { brokerAddress, port, peers: () => [{ id: "too short" }] });
  cellar.latest();
  await until(() => cellar.peers().size === 1);
  expect(cellar.peers().get(ids["127.0.0.2"]!)).toEqual(peers);
  await until(knows(cellar, 2));
  expect(cellar.peers().has(ids["127.0.0.3"]!)).toBe(false);
});

test("peers are reported every minute and on change, however rarely metrics are", async () => {
  const { port } = await broker("127.0.0.2");
  const received = await listen(port);
  const topic = topicOf(hood, ids["127.0.0.2"]!, "peers");
  const paths = () =>
    received
      .filter(([where]) => where === topic)
      .map(([, payload]) => topics.peers.payload.parse(JSON.parse(payload)).peers[0]?.path);
  let passed = 0;
  let path = "sameLink";
  let asked = 0;
  const attic = device("127.0.0.2", {
    brokerAddress: () => {
      asked += 1;
      return "127.0.0.2";
    },
    port,
    peers: () => [{ id: "k".repeat(26), path, handshakeAgeS: 14 }],
    clock: { now: Date.now, monotonic: () => passed },
    intervalMs: 3_600_000,
  });
  await until(() => attic.isConnected() && paths().length === 1);
  passed += 59_000;
  const before = asked;
  await until(() => asked > before + 3);
  expect(paths()).toEqual(["sameLink"]);
  passed += 1_000;
  await until(() => paths().length === 2);
  path = "observed";
  passed += 5_000;
  await until(() => paths().length === 3);
  expect(paths()).toEqual(["sameLink", "sameLink", "observed"]);
});

test("a device that looks late has the retained metrics by the time look() resolves", async () => {
  const { port } = await broker("127.0.0.2");
  const brokerAddress = () => "127.0.0.2";
  const attic = device("127.0.0.2", { brokerAddress, port });
  await until(() => attic.isConnected() && attic.counts().queued === 0);
  const cellar = device("127.0.0.3", { brokerAddress, port, intervalMs: 60_000 });
  await until(() => cellar.isConnected());
  await cellar.look();
  expect(cellar.latest().has(ids["127.0.0.2"]!)).toBe(true);
});

test("when the broker's host dies, the next broker is told everything again", async () => {
  const first = await broker("127.0.0.2");
  let current = "127.0.0.2";
  let cpu = 0.1;
  const cellar = device("127.0.0.3", {
    brokerAddress: () => current,
    port: first.port,
    sample: async () => metrics(cpu),
  });
  await until(() => cellar.isConnected());
  await first.stop();
  await until(() => !cellar.isConnected() && cellar.counts().queued > 2);
  cpu = 0.9;

  await broker("127.0.0.3", first.port);
  current = "127.0.0.3";
  await until(() => cellar.isConnected() && cellar.counts().queued === 0);
  const attic = device("127.0.0.2", { brokerAddress: () => current, port: first.port });
  await until(() => attic.isConnected());
  await attic.look();
  expect(attic.latest().get(ids["127.0.0.3"]!)?.cpu).toBe(0.9);
});

test("without a broker the queue is bounded and keeps the newest metrics", async () => {
  let now = 0;
  const alone = device("127.0.0.2", {
    brokerAddress: () => undefined,
    port: 1,
    intervalMs: 0,
    sample: async () => ({ ...metrics(0.5), at: ++now }),
  });
  await until(() => alone.counts().dropped > 0);
  expect(alone.counts().queued).toBe(360);
  expect(alone.own()?.at).toBe(now);
  expect(alone.latest().get(ids["127.0.0.2"]!)?.at).toBe(now);
});

test("a broker that does not answer for a minute raises a warning until it does", async () => {
  const { port } = await broker("127.0.0.2");
  let passed = 0;
  let address = "127.0.0.9"; // nobody listens there
  const said: string[] = [];
  const cellar = device("127.0.0.3", {
    brokerAddress: () => address,
    port,
    clock: { now: Date.now, monotonic: () => performance.now() + passed },
    warnings: {
      list: () => [],
      raise: (code, message) => said.push(`${code}: ${message}`),
      clear: (code) => said.push(`${code} is over`),
    },
  });
  await until(() => cellar.counts().queued > 2);
  expect(said).toEqual([]);
  passed = 61_000;
  const wanted = "broker.unreachable: the broker at 127.0.0.9 does not answer: connect ECONNREFUSED 127.0.0.9";
  await until(() => said.some((message) => message.startsWith(wanted)));
  address = "127.0.0.2";
  await until(() => cellar.isConnected());
  passed += 31_000;
  await until(() => said.at(-1) === "broker.unreachable is over");
});

/** A subscriber on cellar; what it received, as [topic, payload]. */
async function listen(port: number): Promise<[string, string][]> {
  const received: [string, string][] = [];
  const socket = () => connect({ host: "127.0.0.2", port, localAddress: "127.0.0.3" });
  const client = new MqttClient(socket, { clientId: `${ids["127.0.0.3"]}.reader`, protocolVersion: 4 });
  started.push({ stop: () => client.endAsync(true) });
  client.on("message", (topic, payload) => received.push([topic, payload.toString()]));
  await client.subscribeAsync("#");
  return received;
}

/** A TCP server; `cut` ends the connections that it has. */
async function tcpServer(onSocket: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  started.push({
    async stop() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  });
  return { cut, url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test("warnings that are too long or too many for the broker are cut, and the connection stays up", async () => {
  const { port, counts } = await broker("127.0.0.2");
  const received = await listen(port);
  const long = { code: "x", message: "ä".repeat(1_500), hint: "\n".repeat(1_500), since: 1 };
  const attic = device("127.0.0.2", {
    brokerAddress: () => "127.0.0.2",
    port,
    warnings: { ...noWarnings, list: () => Array(70).fill(long) },
  });
  const topic = topicOf(hood, ids["127.0.0.2"]!, "warnings");
  await until(() => received.some(([where]) => where === topic));
  await until(knows(attic, 1));
  const [, payload] = received.find(([where]) => where === topic)!;
  expect(topics.warnings.payload.parse(JSON.parse(payload)).warnings.length).toBeGreaterThan(1);
  expect([attic.isConnected(), counts().refused]).toEqual([true, 0]);
});

test("metrics that the broker would refuse are not sent, and one log line says so", async () => {
  const { port, counts } = await broker("127.0.0.2");
  const said: string[] = [];
  let sampled = 0;
  const attic = device("127.0.0.2", {
    brokerAddress: () => "127.0.0.2",
    port,
    sample: async () => ({ ...metrics(Number.NaN), at: ++sampled }),
    log: { ...silentLog, warn: (message) => said.push(message) },
  });
  await until(() => attic.isConnected() && sampled > 5);
  expect([attic.isConnected(), counts().refused]).toEqual([true, 0]);
  expect(said.filter((message) => message.startsWith("metrics"))).toEqual([
    "metrics: not sent, the broker would refuse it",
  ]);
});

test("after a long outage the queue empties no faster than the broker accepts", async () => {
  const { port, counts } = await broker("127.0.0.2");
  let isThere = false;
  let passed = 0;
  let asked = 0;
  const attic = device("127.0.0.2", {
    port,
    clock: { now: Date.now, monotonic: () => passed },
    brokerAddress: () => {
      asked += 1;
      return isThere ? "127.0.0.2" : undefined;
    },
    intervalMs: 0,
    sample: async () => {
      if (isThere) throw new Error("enough");
      return metrics(0.5);
    },
  });
  const ticks = async (count: number) => {
    const before = asked;
    await until(() => asked > before + count);
  };
  await until(() => attic.counts().dropped > 0);
  isThere = true;
  await until(() => attic.isConnected());
  await ticks(3);
  expect(attic.counts().queued).toBe(260);
  passed += 1_000;
  await ticks(3);
  expect(attic.counts().queued).toBe(250);
  expect([attic.isConnected(), counts().refused]).toEqual([true, 0]);
});

test("a broker that accepts and cuts off is tried less and less often, until a connection lasts 30 s", async () => {
  let visits = 0;
  let isPatient = false;
  const accepted = Buffer.from([0x20, 2, 0, 0]); // CONNACK
  const { url, cut } = await tcpServer((socket) => {
    visits += 1;
    socket.once("data", () => (isPatient ? socket.write(accepted) : socket.end(accepted)));
    socket.resume();
  });
  let passed = 0;
  let asked = 0;
  const attic = device("127.0.0.2", {
    port: 1,
    clock: { now: Date.now, monotonic: () => passed },
    brokerAddress: () => {
      asked += 1;
      return url;
    },
    intervalMs: 60_000,
  });
  const ticks = async (count: number) => {
    const before = asked;
    await until(() => asked > before + count);
  };
  /** Lets the longest first wait pass, enough for a client that has forgotten its failures. */
  const comesAgainAfterFirstWait = async () => {
    const before = visits;
    await ticks(3);
    passed += 30;
    await ticks(3);
    return visits > before;
  };
  await until(() => visits === 1);
  for (let failures = 1; failures < 5; failures++) {
    await until(() => !attic.isConnected());
    await ticks(3);
    passed += 30_000; // beyond any wait
    await until(() => visits === failures + 1);
  }
  // Five failures: 20 ms * 2^4 * 0.5 at least.
  expect(await comesAgainAfterFirstWait()).toBe(false);

  isPatient = true;
  passed += 30_000;
  await until(() => attic.isConnected());
  passed += 30_000;
  await ticks(3);
  cut();
  await until(() => !attic.isConnected());
  expect(await comesAgainAfterFirstWait()).toBe(true);
});

test("a rename reaches the state, Home Assistant and the last will without the device going offline", async () => {
  const { port } = await broker("127.0.0.2");
  const received = await listen(port);
  const { url, cut } = await tcpServer((socket) => {
    const inner = connect({ host: "127.0.0.2", port, localAddress: "127.0.0.2" });
    socket.pipe(inner.on("error", () => {})).pipe(socket);
    socket.on("close", () => inner.destroy());
  });
  let name = "attic";
  const id = ids["127.0.0.2"]!;
  device("127.0.0.2", {
    self: { id, neighborhood: hood, name: () => name, board: "nuc", release: "1", address: "127.0.0.2" },
    brokerAddress: () => url,
    port: 1,
  });
  const states = () =>
    received
      .filter(([topic]) => topic === topicOf(hood, id, "state"))
      .map(([, payload]) => JSON.parse(payload) as { state: string; name: string });
  const announced = () => received.filter(([topic]) => topic.startsWith("homeassistant/")).at(-1)?.[1] ?? "{}";
  await until(() => states().length === 1);
  name = "loft";
  await until(() => states().length === 2 && JSON.parse(announced()).device?.name === "loft");
  expect(states().map(({ state, name }) => `${name} ${state}`)).toEqual(["attic online", "loft online"]);
  cut();
  await until(() => states().some(({ state }) => state === "offline"));
  expect(states()[2]).toMatchObject({ state: "offline", name: "loft" });
});

test("ha-no-temperature: sensors are announced as they are found and withdrawn if five minutes show none", async () => {
  const { port } = await broker("127.0.0.2");
  const received = await listen(port);
  const id = ids["127.0.0.2"]!;
  const announced = () => {
    const last = new Map(received.filter(([topic]) => topic.startsWith("homeassistant/")));
    return [...last].map(([topic, payload]) => `${topic.split("/")[3]}${payload === "" ? " gone" : ""}`).sort();
  };
  const sample = async () => ({ ...metrics(0.5), dataFree: 1, ...more });
  let more: Partial<MetricsPayload> = {};
  const attic = device("127.0.0.2", { brokerAddress: () => "127.0.0.2", port, sample });
  await until(() => announced().length === 4);
  expect(announced()).toEqual(["cpu", "disk", "memory", "problem"]);
  await until(() => announced().length === 6);
  expect(announced()).toEqual(["cpu", "disk", "memory", "problem", "started gone", "temperature gone"]);
  more = { temperatureC: 40 };
  await until(() => announced().includes("temperature"));
  more = {};
  await attic.stop();

  // Turned off, it withdraws what it announced.
  const quiet = device("127.0.0.2", { brokerAddress: () => "127.0.0.2", port, sample, homeAssistant: false });
  await until(() => announced().every((sensor) => sensor.endsWith(" gone")));
  await quiet.stop();
  const back = device("127.0.0.2", { brokerAddress: () => "127.0.0.2", port, sample });
  await until(() => announced().includes("cpu"));
  back.withdraw();
  await until(() => announced().every((sensor) => sensor.endsWith(" gone")));
  expect(
    received.filter(([topic, payload]) => topic.startsWith("homeassistant/") && topic.split("/")[2] !== id && payload),
  ).toEqual([]);
});

test("what the updater does is published on change, and announced once there is an updater", async () => {
  const { port } = await broker("127.0.0.2");
  const received = await listen(port);
  const topic = topicOf(hood, ids["127.0.0.2"]!, "update");
  const told = () => received.filter(([where]) => where === topic).map(([, payload]) => JSON.parse(payload));
  const isAnnounced = () => received.some(([where, payload]) => where.startsWith("homeassistant/update/") && payload);
  let update: UpdatePayload | undefined;
  const attic = device("127.0.0.2", { brokerAddress: () => "127.0.0.2", port, update: () => update });
  await until(
    () => attic.isConnected() && received.some(([where]) => where.startsWith("homeassistant/binary_sensor/")),
  );
  expect([told(), isAnnounced()]).toEqual([[], false]);
  update = { v: 1, installed: "0.1.0", newest: "0.2.0", phase: "writing", target: "0.2.0", percent: 1 };
  await until(() => told().length === 1 && isAnnounced());
  update = { ...update, percent: 2 };
  await until(() => told().length === 2);
  expect(told().map(({ percent }) => percent)).toEqual([1, 2]);
});
