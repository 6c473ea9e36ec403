import { connect, createServer } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Warnings } from "../../../agent/health/warnings.ts";
import { BrokerHost } from "../../../agent/telemetry/broker-host.ts";
import { systemClock } from "../../../system/clock.ts";
import { silentLog } from "../../../system/log.ts";

// Loopback stands in for the mesh.
const addresses: Record<string, string> = { attic: "127.0.0.2", cellar: "127.0.0.3", kitchen: "127.0.0.4" };
const idOf = (address: string) => Object.keys(addresses).find((id) => addresses[id] === address);
const ended: (() => Promise<unknown>)[] = [];
let port: number;

beforeEach(async () => {
  port = await freePort();
});
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

async function occupy(host: string, at: number) {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen({ host, port: at }, resolve));
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound ? bound.port : 0,
    leave: () => new Promise((resolve) => server.close(resolve)),
  };
}
async function freePort(): Promise<number> {
  const taken = await occupy("127.0.0.2", 0);
  await taken.leave();
  return taken.port;
}

/** A member and whom it takes for alive; `tick` is what happens every second. */
function member(id: string, alive: () => string[], external?: string, hasLooked = () => true) {
  const warnings = new Warnings(systemClock, silentLog);
  const host = new BrokerHost({
    self: { id, neighborhood: "n".repeat(26), address: addresses[id]! },
    ...{ port, external, alive, hasLooked, idOf, log: silentLog, warnings, lingerMs: 0 },
    addressOf: (other) => addresses[other],
  });
  ended.push(() => host.stop());
  return { host, tick: () => host.keep(), warned: () => warnings.list().map(({ code }) => code) };
}
const answers = (id: string) =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ host: addresses[id]!, port });
    const say = (it: boolean) => {
      socket.destroy();
      resolve(it);
    };
    socket.once("connect", () => say(true)).once("error", () => say(false));
  });

test("the member with the lowest live id hosts the broker, and all members agree", async () => {
  const alive = () => ["kitchen", "attic", "cellar"];
  const members = [member("attic", alive), member("cellar", alive), member("kitchen", alive)];
  for (const { tick } of members) await tick();
  expect(members.map(({ host }) => host.address())).toEqual(Array(3).fill(addresses["attic"]));
  expect([await answers("attic"), await answers("cellar"), await answers("kitchen")]).toEqual([true, false, false]);
});

test("when the host dies the next member takes over, and yields when a lower id is back", async () => {
  let alive = ["attic", "cellar", "kitchen"];
  const cellar = member("cellar", () => alive);
  const kitchen = member("kitchen", () => alive);
  const tick = () => Promise.all([cellar.tick(), kitchen.tick()]);
  await tick();
  expect([await answers("cellar"), await answers("kitchen")]).toEqual([false, false]);

  alive = ["cellar", "kitchen"];
  await tick();
  await tick(); // nothing more to do
  expect([await answers("cellar"), await answers("kitchen")]).toEqual([true, false]);
  expect([cellar.host.id(), kitchen.host.address()]).toEqual(["cellar", addresses["cellar"]]);

  alive = ["attic", "cellar", "kitchen"];
  await tick();
  expect([await answers("cellar"), cellar.host.address()]).toEqual([false, addresses["attic"]]);
});

test("a member on its own hosts a broker", async () => {
  const attic = member("attic", () => []);
  await attic.tick();
  expect([attic.host.address(), await answers("attic")]).toEqual([addresses["attic"], true]);
});

test("a member hosts nothing before it has had time to find others, nor after it has found them", async () => {
  let alive = ["cellar"];
  let hasLooked = false;
  const cellar = member(
    "cellar",
    () => alive,
    undefined,
    () => hasLooked,
  );
  await cellar.tick();
  expect([cellar.host.id(), cellar.host.address(), await answers("cellar")]).toEqual([undefined, undefined, false]);

  alive = ["cellar", "attic"];
  await cellar.tick();
  expect([cellar.host.id(), await answers("cellar")]).toEqual(["attic", false]);

  alive = ["cellar"];
  hasLooked = true;
  await cellar.tick();
  expect([cellar.host.id(), await answers("cellar")]).toEqual(["cellar", true]);
});

test("an external broker replaces ours", async () => {
  const attic = member("attic", () => ["attic"], "mqtts://broker.example");
  await attic.tick();
  expect([attic.host.id(), attic.host.address()]).toEqual([undefined, "mqtts://broker.example"]);
  expect(await answers("attic")).toBe(false);
});

test("a taken port raises a warning until the port is free", async () => {
  const other = await occupy(addresses["attic"]!, port);
  const attic = member("attic", () => ["attic"]);
  await attic.tick();
  await attic.tick();
  expect(attic.warned()).toEqual(["broker.unreachable"]);
  await other.leave();
  await attic.tick();
  expect([attic.warned(), await answers("attic")]).toEqual([[], true]);
});

test("the warning of a taken port ends when another member hosts the broker, and on stop", async () => {
  const other = await occupy(addresses["cellar"]!, port);
  ended.push(() => other.leave());
  let alive = ["cellar"];
  const cellar = member("cellar", () => alive);
  await cellar.tick();
  expect(cellar.warned()).toEqual(["broker.unreachable"]);
  alive = ["attic", "cellar"];
  await cellar.tick();
  expect(cellar.warned()).toEqual([]);

  alive = ["cellar"];
  await cellar.tick();
  expect(cellar.warned()).toEqual(["broker.unreachable"]);
  await cellar.host.stop();
  expect(cellar.warned()).toEqual([]);
});

test("stopping while the broker starts stops the broker", async () => {
  const attic = member("attic", () => ["attic"]);
  const starting = attic.tick();
  await attic.host.stop();
  await starting;
  expect(await answers("attic")).toBe(false);
});
