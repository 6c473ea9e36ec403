import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Warnings } from "../../../agent/health/warnings.ts";
import { Journal } from "../../../agent/kernel/journal.ts";
import { openKernel } from "../../../agent/kernel/kernel.ts";
import { importOldJournal } from "../../../agent/tuning/old-journal.ts";
import { startTuning } from "../../../agent/tuning/tuning.ts";
import { silentLog } from "../../../system/log.ts";

let folder: string;
let warnings: Warnings;
let values: Map<string, string>;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-old-journal-"));
  warnings = new Warnings({ now: () => 0, monotonic: () => 0 }, silentLog);
  values = new Map([
    ["kernel.random.boot_id", "boot-1"],
    ["net.core.rmem_max", "7340032"],
    ["net.ipv4.tcp_rmem", "4096\t131072\t7340032"],
  ]);
});
afterEach(() => rm(folder, { recursive: true }));

/** As the last release wrote it. */
const written = `{
  "v": 1,
  "bootId": "boot-1",
  "profile": "bbr",
  "changes": [
    {
      "key": "net.core.rmem_max",
      "was": "212992",
      "is": "7340032"
    },
    {
      "key": "net.ipv4.tcp_rmem",
      "was": "4096\\t131072\\t6291456",
      "is": "4096 131072 7340032"
    }
  ]
}
`;
async function start(profile = "off") {
  const sysctls = {
    read: async (key: string) => values.get(key),
    isReadOnly: async () => false,
    write: async (key: string, value: string) => void values.set(key, value),
  };
  const noPrograms = () => Promise.reject(new Error("tuning starts no program"));
  const path = join(folder, "kernel.json");
  const journal = await Journal.open(path, openKernel(noPrograms, sysctls), warnings, silentLog);
  await importOldJournal(join(folder, "tuning.json"), journal, { warnings, log: silentLog });
  return startTuning({ profile, journal, sysctls, log: silentLog, warnings });
}
const lastReleaseLeaves = (text: string) => writeFile(join(folder, "tuning.json"), text);

test("values that the last release set and left are put back, and its file goes", async () => {
  await lastReleaseLeaves(written);
  await start();
  expect(values.get("net.core.rmem_max")).toBe("212992");
  expect(values.get("net.ipv4.tcp_rmem")).toBe("4096\t131072\t6291456");
  expect(await readdir(folder)).toEqual([]);
  // A second start finds nothing to restore, even if somebody sets the same value by hand.
  values.set("net.core.rmem_max", "7340032");
  await start();
  expect(values.get("net.core.rmem_max")).toBe("7340032");
  expect(warnings.list()).toEqual([]);
});

test("after a reboot the old file goes, and nothing is put back", async () => {
  values.set("kernel.random.boot_id", "boot-2");
  await lastReleaseLeaves(written);
  await start();
  expect(values.get("net.core.rmem_max")).toBe("7340032");
  expect(await readdir(folder)).toEqual([]);
});

test("a damaged old file, or one that names other keys, is a warning and changes nothing", async () => {
  for (const text of [written.slice(0, 60), written.replace("net.core.rmem_max", "vm.swappiness")]) {
    warnings = new Warnings({ now: () => 0, monotonic: () => 0 }, silentLog);
    const before = [...values];
    await lastReleaseLeaves(text);
    await start();
    expect([...values]).toEqual(before);
    expect(warnings.list()).toMatchObject([{ code: "tuning.failed" }]);
    expect(await readdir(folder)).toEqual([]);
  }
});

test("while the journal cannot be written, the old file stays for the next start", async () => {
  await lastReleaseLeaves(written);
  // A folder in the journal's place: a file cannot be renamed onto it.
  const inTheWay = join(folder, "kernel.json");
  const sysctls = { read: async () => "boot-1", isReadOnly: async () => false, write: async () => {} };
  const journal = await Journal.open(
    inTheWay,
    openKernel(() => Promise.reject(new Error("none")), sysctls),
    warnings,
    silentLog,
  );
  await mkdir(inTheWay);
  await importOldJournal(join(folder, "tuning.json"), journal, { warnings, log: silentLog });
  expect(await readdir(folder)).toEqual(["kernel.json", "tuning.json"]);
  await rm(inTheWay, { recursive: true });
  await start();
  expect(values.get("net.core.rmem_max")).toBe("212992");
});
