import { describe, expect, test } from "vitest";
import { autobootSector, defaultSlot } from "../../../../image/boot/rpi/autoboot.ts";
import { makeFat } from "../../card/card.ts";
import { bootFiles, rpi } from "../../lab/firmware/board.ts";
import { startTrial, streamOf } from "../bench.ts";
import { bootControlContract } from "../contract.ts";
import { type RpiBench, rpiBench } from "./bench.ts";

describe.each(["rpi3", "rpi4", "rpi5"])("tryboot on an %s", (board) => {
  bootControlContract(() => rpiBench(board), { tries: 1, neverUp: "neverBooted" });
});

const device = async (board = "rpi4", options = {}) => {
  const bench = await rpiBench(board, options);
  return { bench, first: await bench.start({ kind: "power" }) };
};
const refusal = (code: string, hint = "") => expect.objectContaining({ code, hint: expect.stringContaining(hint) });
const word = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const seconds = (date: string) => word(Date.parse(date) / 1000);

test("autoboot.txt is one sector that names both slots; other bytes name none", () => {
  for (const slot of ["a", "b"] as const) {
    const sector = autobootSector(slot);
    expect(sector.length).toBe(512);
    expect(defaultSlot(sector)).toBe(slot);
    for (const at of [0, 20, 60, 511]) {
      const bad = Buffer.from(sector);
      bad[at] = bad[at]! ^ 1;
      expect(defaultSlot(bad)).toBeUndefined();
    }
  }
  expect(autobootSector("a").toString().trim()).toBe(
    "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3",
  );
});

test("the reboot argument requests a trial, and only while one is armed", async () => {
  const { bench, first } = await device();
  await first.control.reboot();
  expect(bench.restarted()).toEqual({ kind: "reboot" });
  await first.control.stage("b", await bench.writeSlot("b", "1.1"));
  await first.control.reboot();
  expect(bench.restarted()).toEqual({ kind: "reboot", argument: "0 tryboot" });
});

test("a kernel for a board whose slots have their own is refused, not ignored", async () => {
  const { bench, first } = await device();
  const candidate = {
    ...(await bench.writeSlot("b", "1.1")),
    kernel: streamOf(Buffer.from("a kernel")),
  };
  bench.power.restore();
  await expect(first.control.stage("b", candidate)).rejects.toEqual(refusal("boot.unsupported", "--kernel"));
  expect(bench.power.writes()).toBe(0);
});

test("a commit swaps the two partitions in autoboot.txt, and nothing else on the card changes", async () => {
  const { bench, first } = await device();
  const trial = await startTrial(bench, first, "1.1");
  const before = Buffer.from(bench.card.bytes);
  bench.power.restore();
  await trial.control.commit();
  // The sector and our record, and nothing else that a power cut could damage.
  expect(bench.power.writes()).toBe(2);
  expect(defaultSlot(bench.readAutoboot())).toBe("b");
  bench.writeAutoboot(autobootSector("a"));
  expect(bench.card.bytes.equals(before)).toBe(true);
});

test("the watchdog ends a hanging trial, and the old slot starts, because the flag counts only once", async () => {
  const { bench, first } = await device();
  const trial = await startTrial(bench, first, "1.1");
  expect(trial.slot).toBe("b");
  const back = await bench.start({ kind: "watchdog" });
  expect(back.slot).toBe("a");
  expect(await back.control.rollbackReason()).toBe("neverBooted");
});

test("with a damaged autoboot.txt the first slot starts, and the next trial repairs it", async () => {
  const { bench } = await device();
  bench.writeAutoboot(Buffer.alloc(512, 0xff));
  const running = await bench.start({ kind: "power" });
  expect(await running.control.current()).toMatchObject({ phase: "settled", slot: "a" });
  await running.control.stage("b", await bench.writeSlot("b", "1.1"));
  expect(defaultSlot(bench.readAutoboot())).toBe("a");
});

test("before the other slot is written, the running one becomes what the firmware starts", async () => {
  const { bench, first } = await device();
  bench.writeAutoboot(Buffer.alloc(512, 0xff));
  await first.control.markBad();
  expect(defaultSlot(bench.readAutoboot())).toBe("a");
  const trial = await startTrial(bench, first, "1.1");
  await trial.control.commit();
  const asked = await bench.start({ kind: "reboot", argument: "2" });
  expect(asked.slot).toBe("a");
  await asked.control.markBad();
  expect((await bench.start({ kind: "power" })).slot).toBe("a");
});

test("a slot that waits for its trial and is started by accident is on trial, not committed", async () => {
  const { bench, first } = await device();
  const trial = await startTrial(bench, first, "1.1");
  await trial.control.commit();
  await trial.control.stage("a", await bench.writeSlot("a", "1.2"));
  // The firmware then takes the first boot partition.
  bench.writeAutoboot(Buffer.alloc(512, 0xff));
  const accident = await bench.start({ kind: "power" });
  expect(accident).toMatchObject({ slot: "a", version: "1.2" });
  expect(await accident.control.current()).toMatchObject({ phase: "trying", slot: "a" });
  await accident.control.markBad();
  expect((await bench.start({ kind: "power" })).slot).toBe("b");
});

test("damage to autoboot.txt during a trial does not hide the trial, and either verdict repairs it", async () => {
  for (const verdict of ["commit", "markBad"] as const) {
    const { bench, first } = await device();
    const trial = await startTrial(bench, first, "1.1");
    await trial.control.begin();
    bench.writeAutoboot(Buffer.alloc(512, 0xff));
    expect(await trial.control.current()).toMatchObject({ phase: "trying", slot: "b" });
    await trial.control[verdict]();
    const slot = verdict === "commit" ? "b" : "a";
    expect(defaultSlot(bench.readAutoboot())).toBe(slot);
    expect((await bench.start({ kind: "power" })).slot).toBe(slot);
  }
});

test("a slot started by its partition number becomes the fallback before a trial", async () => {
  const { bench, first } = await device();
  const trial = await startTrial(bench, first, "1.1");
  await trial.control.commit();
  const asked = await bench.start({ kind: "reboot", argument: "2" });
  expect(asked.slot).toBe("a");
  await asked.control.stage("b", await bench.writeSlot("b", "1.2"));
  expect(defaultSlot(bench.readAutoboot())).toBe("a");
});

describe("staging refuses, and writes nothing,", () => {
  const refuses = async (
    code: string,
    hint: string,
    spoil: (bench: RpiBench) => void,
    board = "rpi4",
    options = {},
  ): Promise<void> => {
    const { bench, first } = await device(board, options);
    const candidate = await bench.writeSlot("b", "1.1");
    spoil(bench);
    bench.power.restore();
    await expect(first.control.stage("b", candidate)).rejects.toEqual(refusal(code, hint));
    expect(bench.power.writes()).toBe(0);
  };
  const bootB = (bench: RpiBench, files: ReturnType<typeof bootFiles>) =>
    makeFat(files, 32).copy(bench.card.bytes, bench.card.firstByte(3));

  test("a kernel that does not pass the tryboot argument to the firmware", async () => {
    await refuses("boot.unsupported", "--base nixos", () => {}, "rpi4", { isVendorKernel: false });
  });
  test.each([
    ["rpi4", "2022-09-30"],
    ["rpi5", "2024-04-30"],
  ])("an %s whose firmware is of %s", async (board, date) => {
    const old = (bench: RpiBench) => bench.deviceTree.set("chosen/bootloader/build-timestamp", seconds(date));
    await refuses("boot.firmwareTooOld", "sudo rpi-eeprom-update -a", old, board);
  });
  test("a Pi 4 whose firmware has no date", async () => {
    const none = (bench: RpiBench) => bench.deviceTree.set("chosen/bootloader/build-timestamp", undefined);
    await refuses("boot.firmwareTooOld", "sudo rpi-eeprom-update -a", none);
  });
  test("an empty boot partition", async () => {
    await refuses("boot.slotNotReady", "", (bench) => bootB(bench, {}));
  });
  test("a boot partition of garbage", async () => {
    await refuses("boot.slotNotReady", "", (bench) => bench.card.bytes.fill(0xa5, bench.card.firstByte(3)));
  });
  test("a boot partition without the kernel that it names", async () => {
    const { kernel, ...others } = bootFiles(rpi("rpi4"), "b");
    expect(kernel).toBeDefined();
    await refuses("boot.slotNotReady", "", (bench) => bootB(bench, others));
  });
  test("a boot partition whose kernel is empty", async () => {
    await refuses("boot.slotNotReady", "", (bench) => bootB(bench, bootFiles(rpi("rpi4"), "b", { kernel: "" })));
  });
  test("a boot partition for the other slot", async () => {
    await refuses("boot.slotNotReady", "", (bench) => bootB(bench, bootFiles(rpi("rpi4"), "a")));
  });
});

test("a Pi 3 needs no EEPROM", async () => {
  const { bench, first } = await device("rpi3");
  await first.control.stage("b", await bench.writeSlot("b", "1.1"));
  expect(await first.control.current()).toMatchObject({ phase: "armed" });
});

test("if the firmware names no partition, or not that of the command line's slot, boot control does not guess", async () => {
  const { bench, first } = await device();
  for (const value of [undefined, Buffer.alloc(0), Buffer.from("garbage")]) {
    bench.deviceTree.set("chosen/bootloader/partition", value);
    await expect(first.control.current()).rejects.toEqual(refusal("boot.unsupported"));
  }
  for (const partition of [1, 3, 0xffffffff]) {
    bench.deviceTree.set("chosen/bootloader/partition", word(partition));
    await expect(first.control.current()).rejects.toEqual(refusal("boot.unclear"));
    await expect(first.control.commit()).rejects.toEqual(refusal("boot.unclear"));
  }
});

test("going back writes one sector, and needs a whole boot partition in the other slot", async () => {
  const { bench, first } = await device();
  const trial = await startTrial(bench, first, "1.1");
  await trial.control.commit();
  const at = bench.card.firstByte(2);
  const whole = Buffer.from(bench.card.bytes.subarray(at, at + 512));
  bench.card.bytes.fill(0xa5, at, at + 512);
  expect(await trial.control.earlier()).toBeUndefined();
  await expect(trial.control.revert()).rejects.toEqual(refusal("boot.nothingBack"));
  whole.copy(bench.card.bytes, at);
  bench.power.restore();
  await trial.control.revert();
  expect(bench.power.writes()).toBe(1);
  expect(defaultSlot(bench.readAutoboot())).toBe("a");
});
