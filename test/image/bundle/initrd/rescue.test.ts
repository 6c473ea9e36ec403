// A committed slot that no longer starts: the initrd's own scripts lead to the other one, or change nothing.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Slot } from "../../../../image/boot/boot-control.ts";
import { autobootSector } from "../../../../image/boot/rpi/autoboot.ts";
import { Rescued } from "../../../../image/boot/start-marks.ts";
import { makeKernel } from "../../boot/systemd-boot/bench.ts";
import { type Emergency, emergencyIn } from "./emergency.ts";

let device: Emergency;
beforeEach(() => {
  device = emergencyIn();
  for (const folder of ["root", "system"]) device.write(`partitions/data/${folder}/x`, "");
});
afterEach(() => device.dispose());

const hashes: Record<Slot, string> = { a: "aa".repeat(32), b: "bb".repeat(32) };
const entries = "partitions/esp/EFI/Linux";
const kernel = (name: string, slot: Slot) =>
  device.write(`${entries}/${name}`, makeKernel(slot, "1.0", { rootHash: hashes[slot], dataBlocks: 40 }));
const names = () => readdirSync(device.at(entries)).sort();
const slotVerifies = (slot: Slot) => device.write(`slots/${hashes[slot]}`, "all of it");
const rescue = (slot: Slot, variables: Record<string, string> = {}) =>
  device.run(". /rescue\necho goes on", slot, { because: "unverified", ...variables });
const note = () => {
  const text = device.read("partitions/data/system/rescued.json");
  return text && Rescued.parse(JSON.parse(text));
};

test("a NUC leaves the kernel of a slot that does not verify as going back does, notes why, and restarts", () => {
  kernel("hamlet_1.0.efi", "a");
  kernel("hamlet_1.1.efi", "b");
  slotVerifies("a");
  expect(rescue("b")).toMatch(/restarts\n$/);
  expect(names()).toEqual(["hamlet_1.0.efi", "hamlet_1.1.new"]);
  expect(note()).toEqual({ slot: "b", version: "1.1", because: "unverified" });
});

test("a kernel that a cut rename left under its short name is left too", () => {
  kernel("hamlet_1.0.efi", "a");
  kernel("HAMLET~1.EFI", "b");
  slotVerifies("a");
  expect(rescue("b")).toMatch(/restarts\n$/);
  expect(names()).toEqual(["HAMLET~1.new", "hamlet_1.0.efi"]);
});

test.each([
  ["does not verify either", "hamlet_1.0.efi", "hamlet_1.1.efi", false],
  ["is on trial", "hamlet_1.2+3.efi", "hamlet_1.1.efi", true],
  ["failed its trial", "hamlet_1.2+0-3.efi", "hamlet_1.1.efi", true],
  ["was left before: there is no way to and fro", "hamlet_1.0.new", "hamlet_1.1.efi", true],
  ["is whole, but the running one is on trial, which the loader ends", "hamlet_1.0.efi", "hamlet_1.1+2-1.efi", true],
] as const)("nothing changes, and the start ends as before, if the other slot %s", (_, other, own, verifies) => {
  kernel(other, "a");
  kernel(own, "b");
  if (verifies) slotVerifies("a");
  expect(rescue("b")).toMatch(/goes on\n$/);
  expect(names()).toEqual([other, own].sort());
  expect(note()).toBeUndefined();
});

test("without its state a NUC is rescued all the same", () => {
  kernel("hamlet_1.0.efi", "a");
  kernel("hamlet_1.1.efi", "b");
  slotVerifies("a");
  expect(rescue("b", { data: "@/partitions/none" })).toMatch(/restarts\n$/);
  expect(names()).toEqual(["hamlet_1.0.efi", "hamlet_1.1.new"]);
});

const onPi = (record: object | undefined, tryboot = 0) => {
  const line = `quiet hamlet.slot=a hamlet.verity=${hashes.a} hamlet.blocks=40 hamlet.disk=01020304\n`;
  device.write("partitions/boot-a/cmdline.txt", line);
  device.write("partitions/esp/autoboot.txt", autobootSector("b"));
  device.write("proc/device-tree/chosen/bootloader/tryboot", Buffer.from([0, 0, 0, tryboot]));
  if (record) device.write("partitions/data/root/boot.json", `${JSON.stringify(record, null, 2)}\n`);
  slotVerifies("a");
  return rescue("b", { signature: "01020304" });
};
const autoboot = () => readFileSync(join(device.at("partitions/esp"), "autoboot.txt"));
const kept = { slot: "b", version: "1.1", phase: "kept", bootId: "x", from: "1.0" };

test("a Raspberry Pi's default becomes the slot before, in the sector that boot control would write", () => {
  expect(onPi(kept)).toMatch(/restarts\n$/);
  expect(autoboot()).toEqual(autobootSector("a"));
  expect(note()).toEqual({ slot: "b", version: "1.1", because: "unverified" });
});

test.each([
  ["without a record that the other slot was good", undefined, 0],
  ["if the other slot failed its trial", { ...kept, slot: "a", phase: "bad" }, 0],
  ["if the running slot is not committed", { ...kept, phase: "started" }, 0],
  ["in a trial", kept, 1],
] as const)("a Raspberry Pi changes nothing %s", (_, record, tryboot) => {
  expect(onPi(record, tryboot)).toMatch(/goes on\n$/);
  expect(autoboot()).toEqual(autobootSector("b"));
});

// What init does once the state is mounted.
const init = readFileSync("image/bundle/initrd/init", "utf8");
const counting = init.slice(init.indexOf("before=$("), init.indexOf("# From here on a block"));
const start = (slot: Slot) =>
  device.run(
    `letters() { cat "$state/system/$2" 2>/dev/null | tr -cd "$1"; }
keep() { cat >"$state/system/$1"; }
${counting}
echo starts`,
    slot,
    { state: "@/partitions/data" },
  );
const panic = (text: string) => {
  device.write("sys/fs/pstore/dmesg-efi_pstore-1001", `Panic#1 Part1\n<0>[    9.9] ${text}\n`);
  device.write("sys/fs/pstore/dmesg-efi_pstore-1002", "Panic#1 Part2\n<6>[    9.8] before that\n");
};

test("the fourth start that panics leads to the other slot; a start that power ended does not count", () => {
  kernel("hamlet_1.0.efi", "a");
  kernel("hamlet_1.1.efi", "b");
  slotVerifies("a");
  device.write("partitions/data/system/started", "b\n");
  for (const end of ["panic", "power", "panic", "power", "power", "power", "panic"]) {
    if (end === "panic") panic("Kernel panic - not syncing");
    expect(start("b")).toMatch(/starts\n$/);
    expect(readdirSync(device.at("sys/fs/pstore"))).toEqual([]);
  }
  panic("Kernel panic - not syncing");
  expect(start("b")).toMatch(/restarts\n$/);
  expect(names()).toEqual(["hamlet_1.0.efi", "hamlet_1.1.new"]);
  expect(note()).toEqual({ slot: "b", version: "1.1", because: "panics" });
});

test("a slot that panics without a whole one beside it goes on starting, and keeps four panics", () => {
  kernel("hamlet_1.1.efi", "b");
  for (let count = 0; count < 7; count++) {
    panic("Kernel panic - not syncing");
    expect(start("b")).toMatch(/starts\n$/);
  }
  expect(readdirSync(device.at("partitions/data/system/panics/b"))).toEqual(["1", "2", "3", "4"]);
});

test("a panic counts against the slot that started, which an early one names itself", () => {
  expect(start("a")).toBe("starts\n");
  panic("Kernel panic - not syncing");
  start("b");
  expect(readdirSync(device.at("partitions/data/system/panics"))).toEqual(["a"]);
  panic("hamlet: slot a starts");
  start("b");
  expect(readdirSync(device.at("partitions/data/system/panics/a"))).toEqual(["1", "2"]);
});
