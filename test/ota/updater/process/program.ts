// The updater as a program of its own, over files instead of partitions: `node updater.mjs <boot.json>`. Time passes faster for it. It prints
// `restart` and ends when the device would restart.
import { readFile } from "node:fs/promises";
import { uptime } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { startMarksIn } from "../../../../image/boot/start-marks.ts";
import { entryFolderAt } from "../../../../image/boot/systemd-boot/entry-folder.ts";
import { systemdBoot } from "../../../../image/boot/systemd-boot/systemd-boot.ts";
import { trialRecordAt } from "../../../../image/boot/trial-record.ts";
import { openAgentDoor } from "../../../../ota/updater/agent-door.ts";
import { findNewest } from "../../../../ota/updater/metadata.ts";
import { openOldRelease } from "../../../../ota/updater/old-release.ts";
import { openSlotPart } from "../../../../ota/updater/slot-part.ts";
import { stateIn } from "../../../../ota/updater/state.ts";
import { deadlineIn } from "../../../../ota/updater/trial-deadline.ts";
import { makeUpdater } from "../../../../ota/updater/updater.ts";
import { sleep } from "../../../../system/clock.ts";
import { makeLog } from "../../../../system/log.ts";
import { takeTurn } from "../../../../system/turn.ts";

export const Boot = z.object({
  ...{ folder: z.string(), socket: z.string(), bootId: z.string(), speed: z.number() },
  ...{ slot: z.enum(["a", "b"]), version: z.string(), rootHash: z.string(), countPath: z.string().optional() },
});
export type Boot = z.infer<typeof Boot>;

const boot = Boot.parse(JSON.parse(await readFile(process.argv[2]!, "utf8")));
const { folder, speed, slot, version, rootHash, bootId, countPath } = boot;
const disk = join(folder, "disk");
const entries = join(folder, "EFI/Linux");
const wide = (text: string) => Buffer.from(`${text}\0`, "utf16le");
/** Of the computer, as on a device. */
const clock = { now: Date.now, monotonic: () => uptime() * 1000 * speed };
const yearMs = 365 * 24 * 3600_000;
// Whoever started this is gone.
process.stdin.on("end", () => process.exit(2)).resume();

const updater = await makeUpdater({
  control: systemdBoot({
    entries: { ...entryFolderAt(entries), freeBytes: async () => 256 << 20 },
    loaderVariable: async (name) => {
      if (name === "LoaderInfo") return wide("systemd-boot 252");
      return countPath === undefined ? undefined : wide(countPath);
    },
    commandLine: async () => `quiet hamlet.slot=${slot}`,
    record: trialRecordAt(join(folder, "trial.json")),
    bootId: async () => bootId,
    version,
    tries: 3,
    async restart() {
      process.stdout.write("restart\n", () => process.exit());
      await new Promise(() => {});
    },
  }),
  door: openAgentDoor(boot.socket),
  state: stateIn(join(folder, "update")),
  marks: startMarksIn(join(folder, "system")),
  device: {
    ...{ board: "nuc", version, builtS: 1_600_000_000, bootId, rootHash, diskSignature: undefined, isDataLost: false },
    failedUnits: async () => [],
    giveWay: async () => {},
    lastWords: async () => ["the last words"],
    isClockSet: async () => false,
    ownerAsked: async () => undefined,
  },
  disk: {
    openPart: (label) => openSlotPart(join(disk, label), "/sys"),
    openOld: (of) => openOldRelease(disk, entries, of),
  },
  findNewest,
  firstRoot: await readFile(join(folder, "root.json")),
  clock,
  log: makeLog("updater"),
  random: Math.random,
  nonce: () => "n".repeat(22),
  sleep: (ms, signal) => sleep(Math.min(ms / speed, 2 ** 31 - 1), signal),
  takeTurn: () => takeTurn(join(folder, "turn")),
  workIn: folder,
  pace: { firstCheckMs: yearMs, checkEveryMs: yearMs },
  namedFolder: async () => undefined,
  trialDeadlineMs: (verdictMs) => deadlineIn(join(folder, "run"), bootId, clock.monotonic(), verdictMs),
});
await updater.run(new AbortController().signal);
