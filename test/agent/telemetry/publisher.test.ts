import { afterEach, expect, test } from "vitest";
import { startTelemetry, type Telemetry, type TelemetryOptions } from "../../../agent/telemetry/publisher.ts";
import { type Broker, startBroker } from "../../../ota/fleet/broker.ts";
import type { MetricsPayload } from "../../../ota/fleet/topics.ts";
import { systemClock } from "../../../system/clock.ts";
import { silentLog } from "../../../system/log.ts";

const hood = "n".repeat(26);
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
    self: { id: ids[address]!, neighborhood: hood, name: "x", board: "nuc", release: "1", address },
    sample: async () => metrics(0.5),
    inventory: () => Promise.reject(new Error("none in this test")),
    warnings: () => [],
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
async function until(what: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!what()) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
const knows = (telemetry: Telemetry, count: number) => () => telemetry.latest().size === count;

test("two devices see each other's metrics through the broker of one of them", async () => {
  const { port } = await broker("127.0.0.2");
  const brokerAddress = () => "127.0.0.2";
  const attic = device("127.0.0.2", { brokerAddress, port });
  const cellar = device("127.0.0.3", { brokerAddress, port });
  await Promise.all([until(knows(attic, 2)), until(knows(cellar, 2))]);
  expect(cellar.latest().get(ids["127.0.0.2"]!)).toEqual(metrics(0.5));
});

test("a late looker has what the broker kept, by the time look() resolves", async () => {
  const { port } = await broker("127.0.0.2");
  const brokerAddress = () => "127.0.0.2";
  const attic = device("127.0.0.2", { brokerAddress, port });
  await until(() => attic.isConnected() && attic.counts().queued === 0);
  const cellar = device("127.0.0.3", { brokerAddress, port, intervalMs: 60_000 });
  await until(() => cellar.isConnected());
  await cellar.look();
  expect(cellar.latest().has(ids["127.0.0.2"]!)).toBe(true);
});

test("when the broker's host dies, all is said again to the next one", async () => {
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

test("without a broker the queue has a ceiling and the newest metrics are still there", async () => {
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

test("a broker that does not answer for a minute is a warning until it does", async () => {
  const { port } = await broker("127.0.0.2");
  let passed = 0;
  let address = "127.0.0.9"; // nobody listens there
  const said: string[] = [];
  const cellar = device("127.0.0.3", {
    brokerAddress: () => address,
    port,
    clock: { now: Date.now, monotonic: () => performance.now() + passed },
    standing: {
      raise: (code, message) => said.push(`${code}: ${message}`),
      clear: (code) => said.push(`${code} is over`),
    },
  });
  await until(() => cellar.counts().queued > 2);
  expect(said).toEqual([]);
  passed = 61_000;
  await until(() => said.includes("broker.unreachable: the broker at 127.0.0.9 does not answer"));
  address = "127.0.0.2";
  await until(() => said.at(-1) === "broker.unreachable is over");
});
