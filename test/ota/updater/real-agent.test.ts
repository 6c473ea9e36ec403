// Whole updates with the real agent between the updater and a web server.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startApi } from "../../../agent/api/server.ts";
import { AgentConfig } from "../../../agent/config.ts";
import { startUpdate, type Update } from "../../../agent/update/update.ts";
import { objectPath } from "../../../ota/format/names.ts";
import { openAgentDoor } from "../../../ota/updater/agent-door.ts";
import { stateIn } from "../../../ota/updater/state.ts";
import { systemClock } from "../../../system/clock.ts";
import { silentLog } from "../../../system/log.ts";
import { serveWeb, type Web } from "../../agent/update/web.ts";
import { eventually } from "../../eventually.ts";
import { lacks } from "../../lacks.ts";
import { healthy } from "./agent.ts";
import { type Bench, makeBench } from "./bench.ts";
import type { Release } from "./repository.ts";
import { startNginx, startPython } from "./servers.ts";

let bench: Bench;
let web: Web;
let update: Update;
let api: { stop(): Promise<void> };
let next: Release;
let agentFolder: string;

beforeEach(async () => {
  bench = await makeBench();
  web = await serveWeb();
  next = bench.publish("1.1", { from: bench.first, edits: [100, 50_000, 90_000, 150_000] });
  agentFolder = join(bench.folder, "agent");
  mkdirSync(agentFolder);
  for (const [path, bytes] of bench.repository.files) web.files.set(path, bytes);
  for (const [sha256, content] of bench.repository.objects)
    web.files.set(objectPath(sha256), zstdCompressSync(content));
});
afterEach(async () => {
  await api.stop();
  await update.stop();
  await web[Symbol.asyncDispose]();
  await bench.close();
});

async function startAgent(settings: object = {}, url = web.url) {
  update = await startUpdate({
    ...{ board: "nuc", slots: [] },
    repositories: [url],
    settings: AgentConfig.parse({ name: "attic", update: settings }).update,
    evidence: async () => healthy,
    warnings: { raise() {}, clear() {} },
    clock: systemClock,
    hasUpdater: false,
    log: silentLog,
    stateFolder: agentFolder,
  });
  const socketPath = join(agentFolder, "agent.sock");
  api = await startApi(
    socketPath,
    update.serve((_, response) => response.end()),
  );
  bench.parts.door = openAgentDoor(socketPath);
}
const isReported = (isIt: (report: NonNullable<ReturnType<Update["report"]>>) => boolean) =>
  eventually(
    () => {
      const report = update.report();
      if (report && isIt(report)) return report;
      throw new Error(JSON.stringify(report));
    },
    { within: 10_000, every: 5 },
  );
const objectsAsked = () => new Set(web.asked.filter((asked) => asked.startsWith("/objects/"))).size;
const packsAsked = (isRange: boolean) =>
  web.asked.filter((asked) => asked.startsWith("/packs/") && asked.includes("bytes=") === isRange).length;

test.each([true, false])("an update by a pack, with a server that has ranges: %s", async (hasRanges) => {
  web.hasRanges = hasRanges;
  await startAgent();
  const old = await bench.start();
  await isReported(({ activity }) => activity.phase === "idle");
  await update.ask({ kind: "now" });
  await old.untilRestart();
  expect(bench.slot("root-b").subarray(0, next.root.length).equals(next.root)).toBe(true);
  // The recipe, and no chunk.
  expect(objectsAsked()).toBe(1);
  expect(packsAsked(false)).toBe(hasRanges ? 0 : 1);
  expect(existsSync(join(agentFolder, "pack"))).toBe(!hasRanges);
  if (hasRanges) expect(packsAsked(true)).toBe(5);

  const trial = await bench.start({ kind: "reboot" });
  expect(trial).toMatchObject({ slot: "b", version: "1.1" });
  await isReported(({ activity, history }) => activity.phase === "idle" && history[0]?.outcome === "committed");
  await eventually(() => !existsSync(join(agentFolder, "pack")), { every: 5 });
  await trial.stop();
});

test.skipIf(lacks("nginx", "python3")).each([
  ["nginx", startNginx, Array.from({ length: 5 }, () => 206)],
  // The first one was asked for a range.
  ["python3 -m http.server", startPython, [200, 200]],
])("the same folder of files behind %s serves the same update", async (_, startServer, packs) => {
  const [served, work] = [join(bench.folder, "served"), join(bench.folder, "server")];
  mkdirSync(work);
  for (const [path, bytes] of web.files) {
    mkdirSync(dirname(join(served, path)), { recursive: true });
    writeFileSync(join(served, path), bytes);
  }
  await using server = await startServer(served, work);
  await startAgent({}, server.url);
  const old = await bench.start();
  await isReported(({ activity }) => activity.phase === "idle");
  await update.ask({ kind: "now" });
  await old.untilRestart();
  expect(bench.slot("root-b").subarray(0, next.root.length).equals(next.root)).toBe(true);
  await eventually(() => expect(server.statuses("/packs/")).toEqual(packs));
  expect(server.statuses("/objects/")).toEqual([200]);
  const trial = await bench.start({ kind: "reboot" });
  expect(trial).toMatchObject({ slot: "b", version: "1.1" });
  await isReported(({ activity, history }) => activity.phase === "idle" && history[0]?.outcome === "committed");
  await trial.stop();
});

test("a pack with other bytes than it should have costs chunks", async () => {
  await startAgent();
  for (const [path, bytes] of web.files) if (path.startsWith("packs/")) web.files.set(path, Buffer.alloc(bytes.length));
  const old = await bench.start();
  await isReported(({ activity }) => activity.phase === "idle");
  await update.ask({ kind: "now" });
  await old.untilRestart();
  expect(bench.slot("root-b").subarray(0, next.root.length).equals(next.root)).toBe(true);
  expect(objectsAsked()).toBe(2 + 5);
});

test("an update that nobody asks this agent for waits where the owner set limits, before the first frame", async () => {
  await startAgent({ maxBytes: 1_000 });
  // It was asked for before the agent lost its state.
  await stateIn(bench.stateFolder).write("wanted.json", {});
  const running = await bench.start();
  const { activity, failed } = await isReported((one) => one.activity.phase === "waiting");
  expect(activity).toMatchObject({ version: "1.1", because: { code: "update.tooDear" } });
  expect(failed).toEqual([]);
  expect([objectsAsked(), packsAsked(true), packsAsked(false)]).toEqual([1, 0, 0]);
  await update.ask({ kind: "now" });
  await running.untilRestart();
  expect(await bench.start({ kind: "reboot" })).toMatchObject({ slot: "b", version: "1.1" });
});
