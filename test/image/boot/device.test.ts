// The real access to files and programs, on a folder that acts as a device's root.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openBootControl } from "../../../image/boot/device.ts";
import { autobootSector, defaultSlot } from "../../../image/boot/rpi/autoboot.ts";
import { autobootFileOn } from "../../../image/boot/rpi/autoboot-file.ts";
import { trialRecordAt } from "../../../image/boot/trial-record.ts";
import type { Argv } from "../../../system/command.ts";
import { makeFat } from "../card/card.ts";
import { autobootFiles, bootFiles, rpi } from "../lab/firmware/board.ts";
import { makeKernel } from "./systemd-boot/bench.ts";

let root: string;
let ran: Argv[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "hamlet-device-"));
  ran = [];
});
afterEach(() => rmSync(root, { recursive: true }));

const run = async (argv: Argv) => {
  ran.push(argv);
  return "";
};
const put = (path: string, content: string | Buffer) => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
};
const variable = (name: string, text: string) =>
  put(
    `sys/firmware/efi/efivars/${name}-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f`,
    Buffer.concat([Buffer.from([6, 0, 0, 0]), Buffer.from(`${text}\0`, "utf16le")]),
  );
const device = (board: string, version: string, slot: string) => {
  put("usr/lib/hamlet/release.json", JSON.stringify({ board, version, builtS: 1_700_000_000 }));
  put("proc/cmdline", `quiet hamlet.slot=${slot}\n`);
  put("proc/sys/kernel/random/boot_id", "6f0a2c9e-0000-4000-8000-000000000000\n");
};

test("a NUC in a trial is recognized and committed", async () => {
  device("nuc", "1.1", "b");
  put("efi/EFI/Linux/hamlet_1.0.efi", makeKernel("a", "1.0"));
  put("efi/EFI/Linux/hamlet_1.1+2-1.efi", makeKernel("b", "1.1"));
  variable("LoaderInfo", "systemd-boot 252");
  variable("LoaderBootCountPath", "\\EFI\\Linux\\hamlet_1.1+2-1.efi");
  const control = await openBootControl(run, root);
  expect(await control.current()).toMatchObject({ phase: "trying", slot: "b", version: "1.1", triesLeft: 2 });
  await control.begin();
  expect(JSON.parse(readFileSync(join(root, "var/lib/hamlet/root/boot.json"), "utf8"))).toMatchObject({
    phase: "started",
  });
  await control.commit();
  expect(readFileSync(join(root, "efi/EFI/Linux/hamlet_1.1.efi"))).toEqual(makeKernel("b", "1.1"));
  expect(await control.current()).toMatchObject({ phase: "settled" });
});

test("a Pi requests the trial from its firmware through systemd, and commits by writing one sector of the first partition", async () => {
  device("rpi4", "1.0", "a");
  put("dev/vcio", "");
  put("proc/device-tree/chosen/bootloader/partition", Buffer.from([0, 0, 0, 2]));
  put("proc/device-tree/chosen/bootloader/tryboot", Buffer.from([0, 0, 0, 0]));
  put("proc/device-tree/chosen/bootloader/build-timestamp", Buffer.from([0x67, 0, 0, 0]));
  put("run/hamlet-disk/esp", makeFat(autobootFiles(rpi("rpi4"), autobootSector("a")), 16));
  put("run/hamlet-disk/boot-b", makeFat(bootFiles(rpi("rpi4"), "b"), 32));
  const control = await openBootControl(run, root);
  await control.stage("b", { version: "1.1" });
  await control.reboot();
  expect(ran).toEqual([["systemctl", "reboot", "--reboot-argument=0 tryboot"]]);

  device("rpi4", "1.1", "b");
  put("proc/device-tree/chosen/bootloader/partition", Buffer.from([0, 0, 0, 3]));
  put("proc/device-tree/chosen/bootloader/tryboot", Buffer.from([0, 0, 0, 1]));
  const trial = await openBootControl(run, root);
  expect(await trial.current()).toMatchObject({ phase: "trying", slot: "b" });
  await trial.commit();
  expect(defaultSlot(await autobootFileOn(join(root, "run/hamlet-disk/esp")).read())).toBe("b");
  const wanted = makeFat(autobootFiles(rpi("rpi4"), autobootSector("b")), 16);
  expect(readFileSync(join(root, "run/hamlet-disk/esp")).equals(wanted)).toBe(true);
});

test("a damaged trial record loses the reason of the last trial and nothing else", async () => {
  device("nuc", "1.0", "a");
  put("efi/EFI/Linux/hamlet_1.0.efi", makeKernel("a", "1.0"));
  put("var/lib/hamlet/root/boot.json", '{"slot": "z"');
  expect(await (await openBootControl(run, root)).current()).toMatchObject({ phase: "settled" });
});

test("an autoboot.txt that is not exactly one sector is never written", async () => {
  const partition = join(root, "first");
  for (const [content, name] of [
    [Buffer.alloc(100), "autoboot.txt"],
    [Buffer.alloc(1024), "autoboot.txt"],
    [autobootSector("a"), "other.txt"],
  ] as const) {
    const bytes = makeFat({ [name]: content }, 16);
    writeFileSync(partition, bytes);
    const refused = expect.objectContaining({ code: "boot.unclear", hint: expect.any(String) });
    await expect(autobootFileOn(partition).write(autobootSector("b"))).rejects.toEqual(refused);
    await expect(autobootFileOn(partition).read()).rejects.toEqual(refused);
    expect(readFileSync(partition).equals(bytes)).toBe(true);
  }
});

test("a computer that is not a device, and a device whose command line names no slot, get a clear error", async () => {
  await expect(openBootControl(run, root)).rejects.toEqual(
    expect.objectContaining({ code: "boot.unsupported", exitCode: 3 }),
  );
  device("nuc", "1.0", "c");
  const control = await openBootControl(run, root);
  await expect(control.current()).rejects.toEqual(expect.objectContaining({ code: "boot.unclear" }));
});

test("s1-state: a damaged trial record is read from its copy", async () => {
  const record = trialRecordAt(join(root, "boot.json"));
  const started = { slot: "b", version: "1.1", phase: "started", bootId: "one" } as const;
  await record.write(started);
  for (const file of ["boot.json", "boot.json.copy"]) {
    put(file, '{"slot": "z"');
    expect(await record.read()).toEqual(started);
    await record.write(started);
  }
  await record.write(undefined);
  expect([await record.read(), readdirSync(root)]).toEqual([undefined, []]);
});

test("the record of a trial that a later release wrote, and that says more, is read", async () => {
  const started = { slot: "b", version: "1.1", phase: "started", bootId: "one" } as const;
  put("boot.json", JSON.stringify({ ...started, twin: "m2" }));
  expect(await trialRecordAt(join(root, "boot.json")).read()).toEqual(started);
});
