// What an update may cost, and when.
import { hash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { startApi } from "../../../agent/api/server.ts";
import { AgentConfig } from "../../../agent/config.ts";
import { costRefusal, type Moment, type Policy, parseWindow } from "../../../agent/update/policy.ts";
import { startUpdate } from "../../../agent/update/update.ts";
import { objectPath } from "../../../ota/format/names.ts";
import type { UpdateActivity } from "../../../provisioning/handover/update.ts";
import { systemClock } from "../../../system/clock.ts";
import { silentLog } from "../../../system/log.ts";
import { makePacer } from "../../../system/pacer.ts";
import { fakeUpdater } from "./updater.ts";
import { serveWeb } from "./web.ts";

const open: Policy = { window: undefined, isMetered: false, maxBytes: undefined };
const writing: UpdateActivity = {
  ...{ phase: "writing", version: "0.2.0", part: "root", doneBytes: 0, totalBytes: 9 },
  ...{ fetchedBytes: 0, forecastBytes: 5_000_000 },
};
const unasked: Moment = { activity: writing, isAsked: false, minute: 12 * 60 };
const codeOf = (policy: Partial<Policy>, moment: Partial<Moment> = {}) =>
  costRefusal({ ...open, ...policy }, { ...unasked, ...moment })?.code;

test("a metered line, a window and a limit hold back what nobody asked for", () => {
  expect(codeOf({})).toBeUndefined();
  expect(codeOf({ isMetered: true })).toBe("update.metered");
  expect(codeOf({ window: parseWindow("02:00-05:00") })).toBe("update.outsideWindow");
  expect(codeOf({ maxBytes: 4_999_999 })).toBe("update.tooDear");
  expect(codeOf({ maxBytes: 5_000_000 })).toBeUndefined();
  for (const policy of [{ isMetered: true }, { window: parseWindow("02:00-05:00") }, { maxBytes: 0 }]) {
    expect(codeOf(policy, { isAsked: true })).toBeUndefined();
  }
});

test("until the forecast is known nothing is too dear: the recipe tells it", () => {
  expect(codeOf({ maxBytes: 0 }, { activity: { phase: "checking" } })).toBeUndefined();
  expect(codeOf({ maxBytes: 0 }, { activity: undefined })).toBeUndefined();
});

test("a window holds its minutes, over midnight too, and no others", () => {
  const time = (minute: number) =>
    `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
  const minute = fc.integer({ min: 0, max: 1439 });
  fc.assert(
    fc.property(minute, minute, minute, (from, to, now) => {
      const text = `${time(from)}-${time(to)}`;
      expect(AgentConfig.parse({ update: { window: text } }).update.window).toBe(text);
      const isInside = codeOf({ window: parseWindow(text) }, { minute: now }) === undefined;
      const length = (to - from + 1440) % 1440 || 1440;
      expect(isInside).toBe((now - from + 1440) % 1440 < length);
    }),
  );
});

test("a window that ends where it begins is a whole day, not a time that never comes", () => {
  for (const minute of [0, 119, 120, 121, 1439])
    expect(codeOf({ window: parseWindow("02:00-02:00") }, { minute })).toBeUndefined();
});

test.each(["24:00-01:00", "2-5", "02:00", "02:60-03:00", "02:00-05:00-06:00"])("%s is no window", (window) => {
  expect(AgentConfig.safeParse({ update: { window } }).success).toBe(false);
});

test("a limited rate is kept over many pieces, however they come", async () => {
  let now = 0;
  const clock = { now: () => now, monotonic: () => now };
  const wait = async (ms: number) => {
    now += ms;
  };
  const pace = makePacer(1_000, clock, wait);
  for (const bytes of [100, 900, 1, 999]) await pace(bytes, AbortSignal.timeout(1_000));
  expect(now).toBe(2_000);
  // Time in which nothing was read is not saved up.
  now += 60_000;
  await pace(500, AbortSignal.timeout(1_000));
  expect(now).toBe(62_500);
});

test("on a metered line chunks come once somebody asks for the update, and metadata always", async () => {
  const content = Buffer.from("a chunk");
  const chunk = { kind: "object", sha256: hash("sha256", content), sizeBytes: content.length } as const;
  const timestamp = { kind: "file", path: "metadata/timestamp.json", maxBytes: 10 } as const;
  await using web = await serveWeb({
    [objectPath(chunk.sha256)]: zstdCompressSync(content),
    [timestamp.path]: Buffer.from("{}"),
  });
  const folder = await mkdtemp(join(tmpdir(), "hamlet-policy-"));
  const start = async () => {
    const update = await startUpdate({
      ...{ board: "nuc", slots: [] },
      repositories: [web.url],
      settings: { metered: true, verdictSeconds: 240, rate: 10_000 },
      stateFolder: folder,
      evidence: () => Promise.reject(new Error("nobody asks")),
      warnings: { raise() {}, clear() {} },
      clock: systemClock,
      hasUpdater: false,
      log: silentLog,
    });
    const api = await startApi(
      join(folder, "agent.sock"),
      update.serve((_, response) => response.end()),
    );
    const updater = fakeUpdater(join(folder, "agent.sock"));
    const stop = async () => {
      updater.stop();
      await update.stop();
      await api.stop();
    };
    return { update, updater, stop };
  };
  const refusal = { code: "update.metered" };
  const { update, updater, stop } = await start();
  await updater.tell(writing);
  await expect(updater.bytes(chunk)).rejects.toMatchObject(refusal);
  expect((await updater.bytes(timestamp)).bytes.toString()).toBe("{}");
  const asking = update.ask({ kind: "now" });
  expect(await updater.wait()).toEqual({ kind: "now" });
  await updater.tell(writing);
  await asking;
  expect((await updater.bytes(chunk)).bytes.equals(content)).toBe(true);
  await stop();

  // A power cut: the updater goes on with the update, which is still one that was asked for.
  const after = await start();
  await after.updater.tell({ phase: "checking" });
  await after.updater.tell(writing);
  expect((await after.updater.bytes(chunk)).bytes.equals(content)).toBe(true);
  // That update is over.
  await after.updater.tell({ phase: "idle" });
  await after.updater.tell(writing);
  await expect(after.updater.bytes(chunk)).rejects.toMatchObject(refusal);
  await after.stop();
  await rm(folder, { recursive: true });
});
