// The updater as a program of its own, over files instead of partitions: `node updater.mjs <folder> <device.json>`. Prints one line
// for each check and one when the device would restart.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { startMarksIn } from "../../../image/boot/start-marks.ts";
import { entryFolderAt } from "../../../image/boot/systemd-boot/entry-folder.ts";
import { systemdBoot } from "../../../image/boot/systemd-boot/systemd-boot.ts";
import { trialRecordAt } from "../../../image/boot/trial-record.ts";
import { openAgentDoor } from "../../../ota/updater/agent-door.ts";
import { findNewest } from "../../../ota/updater/metadata.ts";
import { openOldRelease } from "../../../ota/updater/old-release.ts";
import { openSlotPart } from "../../../ota/updater/slot-part.ts";
import { stateIn } from "../../../ota/updater/state.ts";
import { makeUpdater } from "../../../ota/updater/updater.ts";
import { sleep, systemClock } from "../../../system/clock.ts";
import { makeLog } from "../../../system/log.ts";

const [, , folder = "", devicePath = ""] = process.argv;
const Facts = z.object({
  ...{ board: z.string(), version: z.string(), builtS: z.number(), rootHash: z.string(), socket: z.string() },
});
const { socket, ...facts } = Facts.parse(JSON.parse(await readFile(devicePath, "utf8")));
const disk = join(folder, "disk");
const entries = join(folder, "EFI/Linux");
const tell = (line: object) => console.log(JSON.stringify(line));
const log = makeLog("updater");
const hourMs = 3600_000;

const control = systemdBoot({
  entries: { ...entryFolderAt(entries), freeBytes: async () => 256 << 20 },
  loaderVariable: async (name) => (name === "LoaderInfo" ? Buffer.from("systemd-boot 252\0", "utf16le") : undefined),
  commandLine: async () => "quiet hamlet.slot=a",
  record: trialRecordAt(join(folder, "trial.json")),
  bootId: async () => "bench",
  version: facts.version,
  tries: 3,
  async restart() {
    const status = await readFile("/proc/self/status", "utf8");
    const kept = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
    const io = await readFile("/proc/self/io", "utf8");
    const writtenBytes = Number(/^write_bytes: (\d+)/m.exec(io)?.[1]);
    tell({ kind: "restart", atMs: Date.now(), peakRssBytes: kept("VmHWM") * 1024, writtenBytes });
    process.exit();
  },
});
const updater = await makeUpdater({
  control,
  door: openAgentDoor(socket),
  state: stateIn(join(folder, "update")),
  device: {
    ...{ bootId: "bench", diskSignature: undefined, isDataLost: false },
    ...facts,
    failedUnits: async () => [],
    giveWay: async () => {},
    lastWords: async () => [],
    isClockSet: async () => true,
    ownerAsked: async () => undefined,
  },
  marks: startMarksIn(join(folder, "system")),
  disk: {
    openPart: (label) => openSlotPart(join(disk, label), "/sys"),
    openOld: (slot) => openOldRelease(disk, entries, slot),
  },
  async findNewest(question) {
    const startedAt = performance.now();
    const found = await findNewest(question);
    tell({ kind: "check", ms: performance.now() - startedAt, atMs: Date.now(), version: found.manifest.version });
    return found;
  },
  firstRoot: await readFile(join(folder, "root.json")),
  clock: systemClock,
  log: {
    ...log,
    // Here nothing may go wrong and be tried again: the times would be those of the pause.
    warn(text) {
      log.warn(text);
      process.exit(1);
    },
  },
  random: Math.random,
  nonce: () => "n".repeat(22),
  sleep,
  takeTurn: async () => ({ done: async () => {} }),
  workIn: folder,
  pace: { firstCheckMs: hourMs, checkEveryMs: hourMs },
  namedFolder: async () => undefined,
  trialDeadlineMs: async () => systemClock.monotonic() + 180_000,
});
await writeFile(join(folder, "ready"), "");
await updater.run(new AbortController().signal);
