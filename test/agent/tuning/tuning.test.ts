import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Warnings } from "../../../agent/health/warnings.ts";
import { Journal } from "../../../agent/kernel/journal.ts";
import { openKernel } from "../../../agent/kernel/kernel.ts";
import { kernelSysctls, type Sysctls } from "../../../agent/kernel/sysctls.ts";
import { type Profile, profiles, Setting } from "../../../agent/tuning/profiles.ts";
import { startTuning } from "../../../agent/tuning/tuning.ts";
import { silentLog } from "../../../system/log.ts";

/** A kernel: keeps values, separates triples by tabs, refuses unknown keys. */
class FakeKernel implements Sysctls {
  readonly values: Map<string, string>;
  readonly refused = new Set<string>();
  readonly readOnly = new Set<string>();
  writes = 0;
  /** The agent is killed before this write. */
  diesAtWrite = Number.POSITIVE_INFINITY;
  constructor(values: Record<string, string>) {
    this.values = new Map(Object.entries({ "kernel.random.boot_id": "boot-1", ...values }));
  }
  async read(key: string) {
    return this.values.get(key);
  }
  async isReadOnly(key: string) {
    return this.readOnly.has(key);
  }
  async write(key: string, value: string) {
    this.writes += 1;
    if (this.writes >= this.diesAtWrite) throw new Killed();
    if (!this.values.has(key) || this.refused.has(`${key}=${value}`)) throw new Error("EINVAL");
    this.values.set(key, value.split(" ").join("\t"));
  }
}
class Killed extends Error {}

const defaults = {
  "net.ipv4.tcp_congestion_control": "cubic",
  "net.ipv4.tcp_recovery": "1",
  "net.ipv4.tcp_early_retrans": "3",
  "net.ipv4.tcp_reordering": "3",
  "net.ipv4.tcp_mtu_probing": "0",
  "net.ipv4.tcp_rmem": "4096\t131072\t6291456",
  "net.core.rmem_max": "212992",
  "net.core.wmem_max": "33554432",
};
let folder: string;
let warnings: Warnings;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-tuning-"));
  warnings = new Warnings({ now: () => 0, monotonic: () => 0 }, silentLog);
});
afterEach(() => rm(folder, { recursive: true }));
const journalPath = () => join(folder, "kernel.json");
async function start(sysctls: Sysctls, profile = "auto", more: { profiles?: Profile[] } = {}) {
  const noPrograms = () => Promise.reject(new Error("tuning starts no program"));
  const journal = await Journal.open(journalPath(), openKernel(noPrograms, sysctls), warnings, silentLog);
  return startTuning({ profile, journal, sysctls, log: silentLog, warnings, ...more });
}
const codes = () => warnings.list().map(({ code }) => code);

test("a profile is applied, reported, and undone to the last character", async () => {
  const kernel = new FakeKernel(defaults);
  const before = [...kernel.values];
  const tuning = await start(kernel);
  expect(tuning.applied()).toEqual([
    { profile: "bbr", key: "net.ipv4.tcp_congestion_control", was: "cubic", is: "bbr" },
    { profile: "bbr", key: "net.core.rmem_max", was: "212992", is: "7340032" },
    { profile: "bbr", key: "net.ipv4.tcp_mtu_probing", was: "0", is: "1" },
  ]);
  // This machine was given more than the profile asks for: it keeps it.
  expect(kernel.values.get("net.core.wmem_max")).toBe("33554432");
  expect(tuning.skipped()).toEqual([{ key: "net.core.wmem_max", because: "alreadySo" }]);
  await tuning.stop();
  expect([...kernel.values]).toEqual(before);
  await expect(readFile(journalPath())).rejects.toThrow("ENOENT");
  expect(codes()).toEqual([]);
});

test("a kernel without BBR gets the profile that turns RACK off", async () => {
  const kernel = new FakeKernel(defaults);
  kernel.refused.add("net.ipv4.tcp_congestion_control=bbr");
  const tuning = await start(kernel);
  expect(new Set(tuning.applied().map(({ profile }) => profile))).toEqual(new Set(["patientCubic"]));
  expect(kernel.values.get("net.ipv4.tcp_recovery")).toBe("0");
  await tuning.stop();
  expect(Object.fromEntries(kernel.values)).toMatchObject(defaults);
});

test("killed at any write, the next start puts the old values back", async () => {
  for (let diesAtWrite = 1; diesAtWrite <= 4; diesAtWrite++) {
    const kernel = new FakeKernel(defaults);
    kernel.diesAtWrite = diesAtWrite;
    await start(kernel); // only what the kernel and the disk hold outlives it
    kernel.diesAtWrite = Number.POSITIVE_INFINITY;
    await start(kernel, "off");
    expect(Object.fromEntries(kernel.values)).toMatchObject(defaults);
  }
});

test("after a reboot nothing is put back, whatever the journal says", async () => {
  const kernel = new FakeKernel(defaults);
  await start(kernel);
  const rebooted = new FakeKernel({ ...defaults, "net.core.rmem_max": "7340032", "kernel.random.boot_id": "boot-2" });
  await start(rebooted, "off");
  expect(rebooted.values.get("net.core.rmem_max")).toBe("7340032");
});

test("a value that another program has set since stays", async () => {
  const kernel = new FakeKernel(defaults);
  const tuning = await start(kernel);
  kernel.values.set("net.ipv4.tcp_congestion_control", "vegas");
  await tuning.stop();
  expect(kernel.values.get("net.ipv4.tcp_congestion_control")).toBe("vegas");
  expect(kernel.values.get("net.core.rmem_max")).toBe("212992");
});

test("a refused value and an unknown profile raise a warning, and a torn journal stops nothing", async () => {
  const kernel = new FakeKernel(defaults);
  kernel.refused.add("net.core.rmem_max=7340032");
  expect((await start(kernel)).applied()).toHaveLength(2);
  expect(codes()).toEqual(["tuning.failed"]);
  await start(new FakeKernel(defaults), "fastest");
  expect(warnings.list()[0]?.message).toContain('no profile "fastest"');
  await writeFile(journalPath(), '{"v":1,"bootId":"boot-1","cha');
  expect((await start(new FakeKernel(defaults))).applied()).toHaveLength(3);
});

test("keys that are read-only in this namespace are skipped without a warning", async () => {
  const kernel = new FakeKernel(defaults);
  kernel.readOnly.add("net.core.rmem_max");
  const tuning = await start(kernel);
  expect(tuning.applied().map(({ key }) => key)).not.toContain("net.core.rmem_max");
  expect(tuning.skipped()).toContainEqual({ key: "net.core.rmem_max", because: "readOnly" });
  expect(codes()).toEqual([]);
});

test("only keys under net. can be set", async () => {
  const setting = { key: "vm.swappiness", value: "1", unit: "", reason: "", source: "" };
  expect(Setting.safeParse(setting).success).toBe(false);
  for (const key of ["net", "net.ipv4/../../vm.swappiness", "net..ipv4", "kernel.panic"]) {
    await expect(kernelSysctls(folder).write(key, "1")).rejects.toThrow("only keys under net.");
  }
  await writeFile(
    journalPath(),
    JSON.stringify({
      v: 1,
      bootId: "boot-1",
      changes: [{ kind: "sysctl", owner: "tuning", key: setting.key, was: "60", is: "1" }],
    }),
  );
  const kernel = new FakeKernel({ ...defaults, "vm.swappiness": "1" });
  await start(kernel, "off");
  expect(kernel.values.get("vm.swappiness")).toBe("1");
  expect(warnings.list()[0]?.message).toContain("only keys under net.");
});

test("every setting names its unit, its reason and its source", () => {
  for (const { key, unit, reason, source } of profiles.flatMap(({ settings }) => settings)) {
    expect([key, unit, reason, source].every((text) => text.length > 3)).toBe(true);
  }
});
