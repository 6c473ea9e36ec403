// The updater's paths on the agent's socket, with a real socket, a real repository and a stand-in for the updater.
import { hash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { zstdCompressSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startApi } from "../../../agent/api/server.ts";
import { type Desk, makeDesk } from "../../../agent/update/desk.ts";
import { serveUpdater } from "../../../agent/update/door.ts";
import { openRepositories } from "../../../agent/update/fetch.ts";
import { makePacks } from "../../../agent/update/packs.ts";
import { objectPath, packPath } from "../../../ota/format/names.ts";
import { maxDictionaryBytes, maxStepBytes } from "../../../ota/format/recipe.ts";
import {
  type Evidence,
  type PackedRequest,
  type UpdateEnd,
  type UpdateReport,
  updaterPaths,
} from "../../../provisioning/handover/update.ts";
import { systemClock } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import { eventually } from "../../eventually.ts";
import { patchFrame } from "../../ota/patch-frame.ts";
import { lendFromWeb } from "./from-web.ts";
import { type FakeUpdater, fakeUpdater, reportOf } from "./updater.ts";
import { serveWeb, type Web } from "./web.ts";

const content = Buffer.from("a chunk of the root filesystem");
const chunk = { kind: "object", sha256: hash("sha256", content), sizeBytes: content.length } as const;
const health: Evidence = {
  phase: "member",
  hasPage: true,
  hasMesh: true,
  handshakes: ["b"],
  alive: ["b"],
  telemetry: "up",
};

let socketPath: string;
let web: Web;
let desk: Desk;
let now = 0;
let reports: UpdateReport[];
let updater: FakeUpdater;
let checkCost: () => void;
let api: { stop(): Promise<void> };

beforeEach(async () => {
  socketPath = join(await mkdtemp(join(tmpdir(), "hamlet-update-")), "agent.sock");
  web = await serveWeb({ [objectPath(chunk.sha256)]: zstdCompressSync(content) });
  [now, reports, checkCost] = [0, [], () => {}];
  const clock = { now: () => now, monotonic: () => now };
  desk = makeDesk({ clock, onReport: (report) => reports.push(report), takenWithinMs: 150 });
  const repositories = openRepositories({ urls: [web.url], clock: systemClock, random: () => 0, pauseMs: 1 });
  const packs = makePacks({ repositories, path: join(socketPath, "../pack") });
  const lend = lendFromWeb({ repositories, packs, checkCost: () => checkCost() });
  const door = { desk, lend, evidence: async () => health, holdMs: 300 };
  api = await startApi(
    socketPath,
    serveUpdater(door, (_, response) => response.end("a page")),
  );
  updater = fakeUpdater(socketPath);
});
afterEach(async () => {
  updater.stop();
  await api.stop();
  await web[Symbol.asyncDispose]();
  await rm(join(socketPath, ".."), { recursive: true });
});

const send = (path: string, body: string, method = "POST") =>
  new Promise<{ status: number; body: string }>((resolve, reject) => {
    const asked = request({ socketPath, path, method, agent: false }, (response) => {
      text(response).then((answer) => resolve({ status: response.statusCode ?? 0, body: answer }), reject);
    });
    asked.on("error", reject).end(body);
  });
/** Waits until the updater's report has arrived. */
const isHeard = (count = 1) => eventually(() => reports.length >= count, { every: 2 });

test("what people ask reaches the updater that waits, and they hear once it has reported", async () => {
  const waiting = updater.wait();
  await isHeard();
  let isAnswered = false;
  const asking = desk.ask({ kind: "now" }).then(() => (isAnswered = true));
  expect(await waiting).toEqual({ kind: "now" });
  expect(isAnswered).toBe(false);
  await updater.tell({ phase: "checking" });
  await asking;
  expect(desk.report()?.activity).toEqual({ phase: "checking" });
});

test("a wish lasts until the update rests or is refused, and while it only waits for its next attempt", async () => {
  await updater.tell({ phase: "idle" });
  const ask = async () => {
    const asking = desk.ask({ kind: "now" });
    await updater.wait();
    await updater.tell({ phase: "checking" });
    await asking;
  };
  const because = { code: "update.unreachable", message: "no repository answers" };
  await ask();
  await updater.tell({ phase: "waiting", because, againAtMs: 9 });
  expect(desk.isAsked()).toBe(true);
  // Refused: the next release that somebody else prepares is not the one that was asked for.
  await updater.tell({ phase: "waiting", version: "0.2.1", because: { ...because, code: "update.failedBefore" } });
  expect(desk.isAsked()).toBe(false);
  await ask();
  expect(desk.isAsked()).toBe(true);
  await updater.tell({ phase: "idle" });
  expect(desk.isAsked()).toBe(false);
});

test("a request that comes while the updater is at work waits until it is free", async () => {
  await updater.tell({ phase: "checking" });
  const asking = desk.ask({ kind: "seen" });
  expect(await updater.wait()).toEqual({ kind: "seen" });
  await updater.tell({ phase: "idle" });
  await asking;
});

test("requests reach the updater one at a time, in the order in which they came", async () => {
  await updater.tell({ phase: "idle" });
  const asking = [desk.ask({ kind: "check" }), desk.ask({ kind: "retry" })];
  expect([await updater.wait(), await updater.wait()]).toEqual([{ kind: "check" }, { kind: "retry" }]);
  await updater.tell({ phase: "idle" });
  await Promise.all(asking);
});

test("an updater that takes no request in time is busy, and does not get the request later", async () => {
  await updater.tell({ phase: "verifying", version: "0.2.0", doneBytes: 1, totalBytes: 2 });
  await expect(desk.ask({ kind: "now" })).rejects.toMatchObject({ code: "update.busy" });
  expect(await updater.wait()).toBeUndefined();
});

test("a flood of requests is refused", async () => {
  await updater.tell({ phase: "checking" });
  const asking = Array.from({ length: 20 }, () => desk.ask({ kind: "check" }).catch((error) => error.message));
  expect(new Set(await Promise.all(asking)).size).toBe(2);
});

test("nobody takes requests where no updater has been heard, or where it has been silent for a minute", async () => {
  await expect(desk.ask({ kind: "now" })).rejects.toMatchObject({ code: "update.noUpdater" });
  await updater.tell({ phase: "idle" });
  expect(desk.report()).toBeDefined();
  now = 60_001;
  expect(desk.report()).toBeUndefined();
  expect(desk.silentForMs()).toBe(60_001);
  await expect(desk.ask({ kind: "now" })).rejects.toMatchObject({ code: "update.noUpdater" });
  expect(await send("/v1/update", "", "GET")).toMatchObject({
    status: 409,
    body: expect.stringContaining("noUpdater"),
  });
});

test("an updater that is killed while it waits loses no request", async () => {
  const killed = new AbortController();
  const waiting = updater.wait(killed.signal).catch(() => "killed");
  await isHeard();
  killed.abort();
  expect(await waiting).toBe("killed");
  const asking = desk.ask({ kind: "now" });
  expect(await updater.wait()).toEqual({ kind: "now" });
  await updater.tell({ phase: "checking" });
  await asking;
});

test("a second wait ends the first with no request", async () => {
  const first = updater.wait();
  await isHeard();
  const second = updater.wait();
  expect(await first).toBeUndefined();
  const asking = desk.ask({ kind: "check" });
  expect(await second).toEqual({ kind: "check" });
  await updater.tell({ phase: "checking" });
  await asking;
});

test("a wait ends by itself when nobody asks", async () => {
  expect(await updater.wait()).toBeUndefined();
});

test("the updater gets the bytes that it names and hears what they cost", async () => {
  const { bytes, carried } = await updater.bytes(chunk);
  expect(bytes.equals(content)).toBe(true);
  expect(carried).toBeGreaterThan(content.length);
});

test.each([
  ["a file that is not there", { kind: "file", path: "metadata/2.root.json", maxBytes: 100 }, "update.notThere"],
  ["an object of another size", { ...chunk, sizeBytes: 7 }, "update.badObject"],
] as const)("%s is refused with its code", async (_, wanted, code) => {
  await expect(updater.bytes(wanted)).rejects.toMatchObject({ code });
});

test.each([
  ["a path out of the repository", { kind: "file", path: "metadata/../../secret", maxBytes: 100 }],
  ["another server", { kind: "file", path: "http://evil.example/", maxBytes: 100 }],
  ["no digest", { kind: "object", sha256: "../../secret", sizeBytes: 1 }],
])("a request for %s leaves the device no further than the agent", async (_, wanted) => {
  expect(await send(updaterPaths.bytes, JSON.stringify(wanted))).toMatchObject({ status: 409 });
  expect(web.asked).toEqual([]);
});

test("the updater hears the agent's evidence", async () => {
  expect(await updater.evidence()).toEqual(health);
});

test("people read the whole report on the socket, log and history included", async () => {
  const end = { atMs: 1, from: "0.1.0", to: "0.2.0", outcome: "failed" as const, log: ["a line"] };
  updater.report = reportOf({ fallback: end });
  await updater.tell({ phase: "idle" });
  expect(JSON.parse((await send("/v1/update", "", "GET")).body)).toEqual(updater.report);
});

test("the longest report that there may be is heard: an updater that is refused hears no request either", async () => {
  // Six bytes in JSON.
  const long = (length: number) => "\u0001".repeat(length);
  const by = { by: long(64), handshake: false, gossip: false, connection: false };
  const end: UpdateEnd = {
    ...{ atMs: 1e15, from: long(64), to: long(64), outcome: "committed", check: long(64), message: long(500) },
    ...{ isAlone: false, isUnwitnessed: false, witnesses: Array.from({ length: 16 }, () => by) },
  };
  updater.report = reportOf({
    ...{ newest: long(64), earlier: long(64), failed: Array.from({ length: 16 }, () => long(64)) },
    ...{ history: Array.from({ length: 20 }, () => end) },
    fallback: { ...end, log: Array.from({ length: 200 }, () => long(400)) },
  });
  const because = { code: long(64), message: long(500), hint: long(500) };
  await updater.tell({ phase: "waiting", version: long(64), because });
  expect(reports).toEqual([updater.report]);
});

test("garbage and floods are refused; the page answers everything else", async () => {
  for (const body of ["", "{", "[]", '{"report":{"v":2}}', " ".repeat(1_100_000)]) {
    expect(await send(updaterPaths.report, body)).toMatchObject({ status: 409 });
  }
  expect(reports).toEqual([]);
  expect(await send(updaterPaths.report, "", "GET")).toEqual({ status: 200, body: "a page" });
  expect(await send("/v1/updater/constructor", "{}")).toEqual({ status: 200, body: "a page" });
});

const old = Buffer.from("a chunk of the older root filesystem");
/** A pack with one frame, for the chunk. */
function onePack(dictionary = old) {
  const frame = patchFrame(dictionary, content);
  const pack = { sha256: hash("sha256", frame), sizeBytes: frame.length };
  web.files.set(packPath(pack.sha256), frame);
  const { sha256, sizeBytes } = chunk;
  return { pack, frame: { offset: 0, length: frame.length }, sha256, sizeBytes, insteadBytes: 1_000 };
}

test("the updater gets the content of a frame for its dictionary, and hears what the network carried", async () => {
  const wanted = onePack();
  const { bytes, carried } = await updater.packed(wanted, old);
  expect(bytes.equals(content)).toBe(true);
  expect(carried).toBeGreaterThan(wanted.frame.length);
  await expect(updater.packed(wanted, Buffer.from("another"))).rejects.toMatchObject({ code: "update.badObject" });
  expect((await updater.packed(wanted, old)).bytes.equals(content)).toBe(true);
});

test("the longest dictionary that a recipe may name is taken, and no longer one", async () => {
  const longest = Buffer.concat([Buffer.alloc(maxDictionaryBytes - old.length), old]);
  expect((await updater.packed(onePack(longest), longest)).bytes.equals(content)).toBe(true);
  const refused = updater.packed(onePack(), Buffer.concat([longest, Buffer.alloc(1)]));
  await expect(refused).rejects.toMatchObject({ code: "usage.invalid" });
});

test.each<[string, (wanted: PackedRequest) => unknown]>([
  ["a place outside of its pack", (wanted) => ({ ...wanted, frame: { ...wanted.frame, offset: 1 } })],
  ["more content than a step makes", (wanted) => ({ ...wanted, sizeBytes: maxStepBytes + 1 })],
  ["a name that leads elsewhere", (wanted) => ({ ...wanted, pack: { ...wanted.pack, sha256: "../../secret" } })],
  ["nothing in it", () => ({})],
])("a request for a frame that has %s is refused", async (_, change) => {
  const wanted = change(onePack()) as PackedRequest;
  await expect(updater.packed(wanted, old)).rejects.toMatchObject({ code: "usage.invalid" });
  expect(web.asked).toEqual([]);
});

test("the owner's limits hold for frames too", async () => {
  checkCost = () => {
    throw new HamletError("update.metered", "this device's line is metered");
  };
  await expect(updater.packed(onePack(), old)).rejects.toMatchObject({ code: "update.metered" });
  expect(web.asked).toEqual([]);
});
