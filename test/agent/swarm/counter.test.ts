// The counter where members ask, in front of members that misbehave and of strangers.
import { hash } from "node:crypto";
import { once } from "node:events";
import { type ClientRequest, request } from "node:http";
import { connect } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Counter, openCounter } from "../../../agent/swarm/counter.ts";
import { makeLending } from "../../../agent/swarm/lending.ts";
import { keyOf, lendPath } from "../../../agent/swarm/question.ts";
import { Store } from "../../../agent/swarm/store.ts";
import { type Clock, systemClock } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import { silentLog } from "../../../system/log.ts";
import { eventually } from "../../eventually.ts";
import { freePort } from "./home.ts";
import { memoryShelf } from "./shelf.ts";

const wanted = { kind: "object" as const, sha256: hash("sha256", "x"), sizeBytes: 4 << 20 };
const kept = Buffer.alloc(4 << 20, 7);
let counter: Counter;
let port: number;
let fetched: string[];
let carries: number;
let waitedMs: number;
const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + waitedMs };
beforeEach(async () => {
  const shelf = memoryShelf();
  shelf.pieces.set(keyOf(wanted), kept);
  [fetched, carries, waitedMs] = [[], 0, 0];
  const store = new Store({
    ...{ shelf, clock },
    async web(asked, { onCarried }) {
      onCarried(carries);
      fetched.push(keyOf(asked));
      throw new HamletError("update.notThere", "no such file");
    },
  });
  port = await freePort();
  counter = await openCounter({
    ...{ address: "127.0.2.1", port, clock, log: silentLog, bytesPerS: 1_000_000_000 },
    memberAt: (address) => (address.startsWith("127.0.2.") ? address : undefined),
    serve: makeLending({ store, clock, mayFetch: () => true }),
  });
});
afterEach(() => counter.close());

type Said = { status: number; bytes: number };
function say(body: string, localAddress = "127.0.2.2", path = lendPath): Promise<Said> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.2.1", port, localAddress, path, method: "POST", agent: false }, (response) => {
      let bytes = 0;
      response.on("data", (piece) => (bytes += piece.length));
      response.on("end", () => resolve({ status: response.statusCode!, bytes }));
      response.on("error", reject);
    })
      .on("error", reject)
      .end(body);
  });
}
const ask = (how: string, what: object = wanted) => say(JSON.stringify({ how, wanted: what }));

test("a member gets what is kept, and word of what is not", async () => {
  expect(await ask("kept")).toEqual({ status: 200, bytes: kept.length });
  expect(await ask("kept", { ...wanted, sha256: "0".repeat(64) })).toEqual({ status: 204, bytes: 0 });
  expect(await ask("fetched", { ...wanted, sha256: "0".repeat(64) })).toEqual({ status: 404, bytes: 0 });
  expect(fetched).toHaveLength(1);
});

test("a member that has had 128 MB fetched for it gets no more from this line but 16 MB a day, and another one does", async () => {
  carries = 130 << 20;
  const other = (digit: number) => ({ ...wanted, sha256: `${digit}`.repeat(64) });
  expect((await ask("fetched", other(1))).status).toBe(404);
  expect((await ask("fetched", other(2))).status).toBe(503);
  expect((await ask("kept")).status).toBe(200);
  expect((await say(JSON.stringify({ how: "fetched", wanted: other(3) }), "127.0.2.4")).status).toBe(404);
  expect(fetched).toHaveLength(2);
  const answers: number[] = [];
  for (let day = 0; day < 9; day++) {
    waitedMs += 86_400_000;
    answers.push((await ask("fetched", other(4))).status);
  }
  // The first takes 116 MB more than is there: as much as comes in seven days and some hours.
  expect(answers).toEqual([404, ...Array(7).fill(503), 404]);
});

test("a stranger's connection is closed, and so is one that asks for something else", async () => {
  await expect(say(JSON.stringify({ how: "kept", wanted }), "127.0.3.1")).rejects.toThrow();
  await expect(say("{}", "127.0.2.2", "/v1/status")).rejects.toThrow();
});

test.each([
  ["no JSON", "{"],
  [
    "a path out of the repository",
    JSON.stringify({ how: "kept", wanted: { kind: "file", path: "metadata/../../etc/passwd", maxBytes: 9 } }),
  ],
  ["a folder", JSON.stringify({ how: "fetched", wanted: { kind: "file", path: "targets/nuc", maxBytes: 9 } })],
  ["another host", JSON.stringify({ how: "fetched", wanted: { kind: "file", path: "http://10.0.0.1/", maxBytes: 9 } })],
  ["a kind that nobody knows", JSON.stringify({ how: "kept", wanted: { kind: "everything" } })],
])("%s is refused, and nothing is fetched for it", async (_, body) => {
  expect((await say(body)).status).toBe(400);
  expect(fetched).toEqual([]);
});

test("a question that is too long ends the connection", async () => {
  await expect(say(`{"how":"kept","more":"${"x".repeat(8_000)}"}`)).rejects.toThrow();
});

test("readers that never read keep nobody else waiting for long", async () => {
  const idle: ClientRequest[] = [];
  for (let index = 0; index < 12; index++) {
    const asked = request({
      ...{ host: "127.0.2.1", port, localAddress: `127.0.2.${10 + (index % 3)}`, agent: false },
      ...{ path: lendPath, method: "POST" },
    });
    asked.on("response", (response) => response.pause()).on("error", () => {});
    asked.end(JSON.stringify({ how: "kept", wanted }));
    idle.push(asked);
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
  const startedAt = performance.now();
  expect((await ask("kept")).status).toBe(200);
  expect(performance.now() - startedAt).toBeLessThan(15_000);
  for (const asked of idle) asked.destroy();
}, 30_000);

test("one member that never reads keeps nobody else waiting", async () => {
  const idle = Array.from({ length: 4 }, () => {
    const asked = request({
      ...{ host: "127.0.2.1", port, localAddress: "127.0.2.10", agent: false, path: lendPath, method: "POST" },
    });
    asked.on("response", (response) => response.pause()).on("error", () => {});
    asked.end(JSON.stringify({ how: "kept", wanted }));
    return asked;
  });
  await Promise.all(idle.slice(0, 2).map((asked) => once(asked, "response")));
  const startedAt = performance.now();
  expect((await ask("kept")).status).toBe(200);
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  for (const asked of idle) asked.destroy();
}, 30_000);

test("a member that asks and hangs up, again and again, does not use up the time of others", async () => {
  const chunk = { ...wanted, sha256: "2".repeat(64), sizeBytes: 256 << 10 };
  const shelf = memoryShelf();
  let reads = 0;
  const slots = {
    async chunk() {
      reads += 1;
      return Buffer.alloc(1_000, 7);
    },
  };
  const store = new Store({ shelf, slots, clock, web: async () => Promise.reject(new Error("no web")) });
  await counter.close();
  counter = await openCounter({
    ...{ address: "127.0.2.1", port, clock, log: silentLog },
    memberAt: (address) => address,
    serve: makeLending({ store, clock, mayFetch: () => false }),
  });
  const hangUp = () =>
    new Promise<void>((resolve) => {
      const asked = request({
        ...{ host: "127.0.2.1", port, localAddress: "127.0.2.10", agent: false, path: lendPath, method: "POST" },
      });
      asked.on("error", () => {}).on("close", resolve);
      asked.end(JSON.stringify({ how: "kept", wanted: chunk }), () => setTimeout(() => asked.destroy(), 10));
    });
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let count = 0; count < 25; count++) await hangUp();
    }),
  );
  const askedAt = performance.now();
  expect((await ask("kept", chunk)).status).toBe(200);
  expect(performance.now() - askedAt).toBeLessThan(2_000);
  // Each read is paid for by those bytes of the rate, whoever is there in the end.
  const seconds = (performance.now() - startedAt) / 1000;
  expect(reads).toBeLessThan(10 + (seconds * 5_000_000) / chunk.sizeBytes);
}, 30_000);

test("connections beyond a member's share close its oldest, and another member is served", async () => {
  const opened = Array.from({ length: 40 }, () => connect({ host: "127.0.2.1", port, localAddress: "127.0.2.3" }));
  for (const socket of opened) socket.on("error", () => {});
  await eventually(() => expect(opened.filter(({ closed }) => closed)).toHaveLength(36));
  expect((await ask("kept")).status).toBe(200);
  for (const socket of opened) socket.destroy();
});
