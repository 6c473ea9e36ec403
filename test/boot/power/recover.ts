// Starts a device from what a power cut left on its EFI partition and its `data`, and lets the real boot control and the real updater
// go on, until nothing is left to do. Its agent has no network.
import { closeSync, fstatSync, openSync, readdirSync, readSync, renameSync } from "node:fs";
import { join } from "node:path";
import { startMarksIn } from "../../../image/boot/start-marks.ts";
import { entryFolderAt } from "../../../image/boot/systemd-boot/entry-folder.ts";
import { systemdBoot } from "../../../image/boot/systemd-boot/systemd-boot.ts";
import { trialRecordAt } from "../../../image/boot/trial-record.ts";
import type { Manifest } from "../../../ota/format/manifest.ts";
import { stateIn } from "../../../ota/updater/state.ts";
import { makeUpdater } from "../../../ota/updater/updater.ts";
import type { Evidence, UpdateActivity } from "../../../provisioning/handover/update.ts";
import { sleep } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import { silentLog } from "../../../system/log.ts";
import { chooseEntry } from "../../image/boot/systemd-boot/bench.ts";
import { headBytes } from "./loader.ts";

export type Device = {
  /** EFI/Linux. */
  entries: string;
  /** Root's folder on `data`. */
  root: string;
  /** What the agent of a release says in its trial; undefined: it is silent. */
  evidenceOf(version: string): Evidence | undefined;
  rootHashOf(version: string): string | undefined;
};
export type Recovered = { slot: string; version: string; activity: UpdateActivity };

/** A second of the device in ms. */
const second = 0.2;
/** A trial whose verdict is lost costs two starts. */
const maxStarts = 8;
/** All pauses after trials without a verdict, and more, in ms of the device. */
const restMs = 24 * 3_600_000;

/** Throws if the device never comes to rest. */
export async function recover(device: Device): Promise<Recovered> {
  for (let start = 0; start < maxStarts; start++) {
    const ended = await runOnce(device, start);
    if (ended !== "restart") return ended;
  }
  throw new Error("the device restarts again and again");
}

async function runOnce(
  { entries, root, evidenceOf, rootHashOf }: Device,
  start: number,
): Promise<Recovered | "restart"> {
  const chosen = chooseEntry(
    readdirSync(entries),
    (file) => readHead(join(entries, file)),
    (from, to) => renameSync(join(entries, from), join(entries, to)),
  );
  if (!chosen) throw new Error("the loader finds nothing to start");
  const { slot, version, countPath } = chosen;
  const over = new AbortController();
  const ended = Promise.withResolvers<Recovered | "restart">();
  const bootId = `recovery-${start}`;
  const rootHash = rootHashOf(version);
  const doors = untilPower();
  const control = systemdBoot({
    entries: entryFolderAt(entries),
    loaderVariable: async (name) => {
      const value = name === "LoaderInfo" ? "systemd-boot 252" : countPath;
      return value === undefined ? undefined : Buffer.from(`${value}\0`, "utf16le");
    },
    commandLine: async () => `quiet hamlet.slot=${slot}`,
    record: trialRecordAt(join(root, "boot.json")),
    bootId: async () => bootId,
    version,
    tries: 3,
    restart: async () => ended.resolve("restart"),
  });
  let nowMs = 0;
  let last: UpdateActivity | undefined;
  const see = (activity: UpdateActivity) => {
    last = activity;
    if (activity.phase === "idle") ended.resolve({ slot, version, activity });
  };
  const offline = () => {
    throw new HamletError("update.unreachable", "there is no network");
  };
  const updater = await makeUpdater({
    control: doors.wrap(control),
    state: doors.wrap(stateIn(join(root, "update"))),
    device: {
      ...{ board: "nuc", version, builtS: 1, bootId, rootHash, diskSignature: undefined },
      isDataLost: false,
      failedUnits: async () => [],
      giveWay: async () => {},
      lastWords: async () => ["the last words"],
      isClockSet: async () => false,
      ownerAsked: async () => undefined,
    },
    marks: startMarksIn(join(root, "system")),
    door: {
      file: offline,
      object: offline,
      packed: offline,
      async wait({ activity }) {
        see(activity);
        return new Promise<never>(() => {});
      },
      report: async ({ activity }) => see(activity),
      async evidence() {
        const evidence = evidenceOf(version);
        if (evidence) return evidence;
        await sleep(10 * second);
        throw new HamletError("update.agentSilent", "the agent does not answer");
      },
    },
    disk: { openPart: offline, openOld: () => ({ read: async () => undefined, close: async () => {} }) },
    // The newest release is the one that runs: what was wanted is there, or is asked for again.
    namedFolder: async () => undefined,
    findNewest: async () => ({ manifest: manifestOf(version, rootHash), sha256: "", files: {}, roles: {} }),
    firstRoot: Buffer.alloc(0),
    clock: { now: () => nowMs, monotonic: () => nowMs },
    log: silentLog,
    random: () => 0.5,
    nonce: () => "n".repeat(22),
    async sleep(ms, signal) {
      const dueMs = nowMs + ms;
      // Nothing happens in a week.
      await sleep(Math.min((ms / 1000) * second, 2 ** 31 - 1), signal);
      nowMs = Math.max(nowMs, dueMs);
      if (nowMs > restMs) ended.reject(new Error(`the device does not come to rest: ${JSON.stringify(last)}`));
    },
    takeTurn: async () => ({ done: async () => {} }),
    workIn: "/nowhere",
    pace: { firstCheckMs: 7 * 24 * 3_600_000, checkEveryMs: 7 * 24 * 3_600_000 },
    trialDeadlineMs: async () => nowMs + 180_000,
  });
  updater.run(over.signal).catch(ended.reject);
  try {
    return await ended.promise;
  } finally {
    over.abort();
    await doors.close();
  }
}

const manifestOf = (version: string, rootHash = "0".repeat(64)): Manifest => ({
  ...{ format: 1, board: "nuc", version, builtS: 1, parts: [], recipes: [] },
  verity: { rootHash, dataBlocks: 1 },
});

/** A kernel's sections, whose rest is long and holds nothing here. */
function readHead(path: string): Buffer {
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(Math.min(headBytes, fstatSync(file).size));
    readSync(file, bytes);
    return bytes;
  } finally {
    closeSync(file);
  }
}

/** Doors that nothing goes through any more once they are closed; what had begun is done then. */
function untilPower() {
  let isOver = false;
  const begun = new Set<Promise<unknown>>();
  return {
    wrap<T extends object>(doors: T): T {
      const wrapped = Object.entries(doors).map(([name, door]) => [
        name,
        (...args: unknown[]) => {
          if (isOver) return new Promise<never>(() => {});
          const result: Promise<unknown> = door(...args);
          begun.add(result);
          return result;
        },
      ]);
      return Object.fromEntries(wrapped) as T;
    },
    async close() {
      isOver = true;
      await Promise.allSettled(begun);
    },
  };
}
