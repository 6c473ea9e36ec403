// What a hostile member sends to a real cluster on loopback: honest members are still heard.
import { type ClientRequest, createServer, request, type Server } from "node:http";
import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type Cluster, startCluster } from "../../../agent/cluster/cluster.ts";
import { encodeSync, type Freight, SYNC_BYTES } from "../../../agent/cluster/messages.ts";
import { systemClock } from "../../../system/clock.ts";
import { type Log, silentLog } from "../../../system/log.ts";
import { eventually } from "../../eventually.ts";
import { news } from "./folks.ts";
import { digestOf, fakeStore, type Person, person, rollOf } from "./members.ts";

const port = 17_947;
const [victim, mallory, honest] = [person(21), person(22), person(23)];
const open: (Server | Socket)[] = [];
let cluster: Cluster | undefined;
afterEach(async () => {
  for (const one of open.splice(0)) {
    if ("closeAllConnections" in one) one.closeAllConnections();
    if ("destroy" in one) one.destroy();
    else one.close();
  }
  await cluster?.stop();
});

async function start(log: Log = silentLog) {
  const store = fakeStore();
  const members = rollOf([victim, mallory, honest]);
  cluster = await startCluster({
    ...{ self: victim, address: victim.address, port, documents: store.kinds, clock: systemClock, log },
    members: () => members,
    onChange() {},
  });
  return store;
}

/** Posts a full sync as `from`; resolves to the status. */
const sync = (from: Person, body: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const options = { host: victim.address, port, localAddress: from.address, method: "POST", path: "/v1/sync" };
    const asked: ClientRequest = request({ ...options, agent: false }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode ?? 0));
    });
    asked.on("error", reject).end(body);
  });

const empty = encodeSync({ news: [], documents: [] });
const many = (count: number, freight: (index: number) => Partial<Freight>): string =>
  encodeSync(
    Array.from({ length: count }, (_, index) => freight(index)).reduce<Freight>(
      (all, { news: some = [], documents = [] }) => {
        all.news.push(...some);
        all.documents.push(...documents);
        return all;
      },
      { news: [], documents: [] },
    ),
  );

test("t7b-cluster: a full sync is not heard after its first forgery, and a longer one than the limit is not read", async () => {
  const warned: string[] = [];
  await start({ ...silentLog, warn: (text) => warned.push(text) });
  const forged = many(1_700, (index) => ({
    news: [{ id: honest.id, state: "alive", incarnation: 1_000 + index, signature: "A".repeat(86) }],
  }));
  const nothing = JSON.stringify({ v: 1, g: Array.from({ length: 2_000 }, () => ["x".repeat(100)]) });
  for (const body of [forged, nothing]) {
    expect(body.length).toBeLessThanOrEqual(SYNC_BYTES);
    expect(await sync(mallory, body)).toBe(200);
  }
  await expect(
    sync(
      mallory,
      many(7_000, () => ({ news: [news(honest.id, "alive", 1)] })),
    ),
  ).rejects.toThrow();
  expect(await sync(honest, empty)).toBe(200);
  expect(warned.filter((text) => text.includes("forged"))).toHaveLength(1);
});

test("t7b-cluster: a member that holds connections open shuts nobody out, and syncs at its own rate only", async () => {
  await start();
  for (let count = 0; count < 300; count++) {
    const held = connect({ host: victim.address, port, localAddress: mallory.address }).on("error", () => {});
    held.write("POST /v1/sync HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    open.push(held);
  }
  await eventually(() => expect(open.filter((one) => "destroyed" in one && one.destroyed).length).toBeGreaterThan(290));
  expect(await sync(honest, empty)).toBe(200);
  const statuses: number[] = [];
  for (let count = 0; count < 10; count++) statuses.push(await sync(mallory, empty));
  expect(statuses).toContain(429);
  expect(await sync(honest, empty)).toBe(200);
});

test("t7b-cluster: thousands of made-up summaries do not delay what an honest member tells", async () => {
  const store = await start();
  const serve = (at: Person, answer: (path: string) => string | undefined) =>
    new Promise<void>((resolve) => {
      const server = createServer((incoming, outgoing) => {
        const text = answer(incoming.url ?? "");
        if (text !== undefined) outgoing.end(text);
      });
      open.push(server.listen(port, at.address, () => resolve()));
    });
  await serve(honest, (path) => (path.includes("/rev") ? "rev 1" : empty));
  await serve(mallory, () => undefined);
  const madeUp = (kind: string) =>
    many(1_000, (index) => ({ documents: [{ kind, id: `x${index}`, number: 1, digest: digestOf(`x${index}`) }] }));
  expect(await sync(mallory, madeUp("record"))).toBe(200);
  await eventually(async () => expect(await sync(mallory, madeUp("revocation"))).toBe(200));
  const documents = ["record", "revocation"].map((kind) => ({ kind, id: "rev", number: 1, digest: digestOf("rev 1") }));
  expect(await sync(honest, encodeSync({ news: [], documents }))).toBe(200);
  await eventually(
    () =>
      expect(
        store
          .all()
          .map(({ kind, id }) => `${kind} ${id}`)
          .sort(),
      ).toEqual(["record rev", "revocation rev"]),
    { within: 2_000, every: 10 },
  );
});
