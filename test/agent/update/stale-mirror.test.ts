// Several repositories of which one stands still: it answers as well as ever, and only the updater finds its metadata too old.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startApi } from "../../../agent/api/server.ts";
import { startUpdate } from "../../../agent/update/update.ts";
import { systemClock } from "../../../system/clock.ts";
import { silentLog } from "../../../system/log.ts";
import { type FakeUpdater, fakeUpdater } from "./updater.ts";
import { serveWeb, type Web } from "./web.ts";

const timestamp = { kind: "file", path: "metadata/timestamp.json", maxBytes: 10 } as const;
let [stale, fresh]: Web[] = [];
let folder = "";
let now = 0;
let updater: FakeUpdater;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  [stale, fresh] = [await serveWeb({ [timestamp.path]: Buffer.from("old") }), await serveWeb()];
  fresh.files.set(timestamp.path, Buffer.from("new"));
  folder = await mkdtemp(join(tmpdir(), "hamlet-mirror-"));
  now = 0;
  const update = await startUpdate({
    ...{
      board: "nuc",
      slots: [],
      repositories: [stale.url, fresh.url],
      settings: { metered: false, verdictSeconds: 240 },
    },
    ...{ stateFolder: folder, hasUpdater: false, log: silentLog, warnings: { raise() {}, clear() {} } },
    evidence: () => Promise.reject(new Error("nobody asks")),
    clock: { now: systemClock.now, monotonic: () => systemClock.monotonic() + now },
  });
  const api = await startApi(
    join(folder, "agent.sock"),
    update.serve((_, response) => response.end()),
  );
  updater = fakeUpdater(join(folder, "agent.sock"));
  stops.push(
    async () => updater.stop(),
    () => update.stop(),
    () => api.stop(),
  );
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  for (const web of [stale!, fresh!]) await web[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const next = async () => (await updater.bytes(timestamp)).bytes.toString();
const refused = (code: string) =>
  updater.tell({ phase: "waiting", because: { code, message: "no" }, againAtMs: 60_000 });

test.each(["update.expired", "update.badMetadata", "update.badManifest"])(
  "after %s the next check goes to another repository, and comes back after an hour",
  async (code) => {
    expect(await next()).toBe("old");
    await refused(code);
    expect(await next()).toBe("new");
    // The same words again, with each long poll.
    await refused(code);
    expect(await next()).toBe("new");
    await updater.tell({ phase: "idle" });
    now += 3600_000;
    expect(await next()).toBe("old");
  },
);

test("one that is in doubt is asked if the other lacks the file, and a line that is down casts no doubt", async () => {
  expect(await next()).toBe("old");
  await refused("update.unreachable");
  expect(await next()).toBe("old");
  await refused("update.expired");
  fresh!.files.delete(timestamp.path);
  expect(await next()).toBe("old");
});
