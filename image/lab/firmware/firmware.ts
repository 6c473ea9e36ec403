// Emulates the A/B booting of the Raspberry Pi's firmware: from the bytes of a disk to the files that are started. QEMU emulates
// the board but not its firmware, so the lab uses this to choose the files. It follows the documentation; real boards may differ.

import type { RpiBoard } from "../../boards.ts";
import type { ReadAt } from "../../disk/read-at.ts";
import { type Conditions, readSettings } from "./config.ts";
import { readFdt, setProperty, writeFdt } from "./fdt.ts";
import { type Files, fatPartitions, refuse } from "./files.ts";
import { loadSystem, maxTextBytes } from "./system.ts";

type BootPlan = {
  kernel: Buffer;
  initrd?: Buffer;
  /** With the firmware's additions to `/chosen`. */
  deviceTree: Buffer;
  commandLine: string;
  /** Number of the chosen partition: 2 for slot a, 3 for slot b. */
  slotPartition: number;
  isTryboot: boolean;
};
type BootRequest = {
  tryboot: boolean;
  /** As `reboot 3` asks for it; 0 leaves it to `autoboot.txt`. */
  partition?: number;
  /** 16 hex digits, burnt into the board. */
  serial?: string;
};

/** The emulated model of each board: QEMU's `raspi3b`, and the equivalents for other boards. */
const models: Record<string, { boardType: number; filters: string[]; deviceTrees: string[]; buildS?: number }> = {
  rpi3: { boardType: 0x08, filters: ["pi3"], deviceTrees: ["bcm2710-rpi-3-b.dtb", "bcm2837-rpi-3-b.dtb"] },
  rpi4: {
    boardType: 0x11,
    filters: ["pi4"],
    deviceTrees: ["bcm2711-rpi-4-b.dtb"],
    buildS: Date.UTC(2023, 0, 11) / 1000,
  },
  rpi5: {
    boardType: 0x17,
    filters: ["pi5"],
    deviceTrees: ["bcm2712-rpi-5-b.dtb"],
    buildS: Date.UTC(2025, 1, 12) / 1000,
  },
};

const autobootBytes = 512;

/** Throws `lab.firmwareRefused` if the real firmware would start nothing. */
export async function planBoot(readAt: ReadAt, board: RpiBoard, request: BootRequest): Promise<BootPlan> {
  const model = models[board.name];
  if (!model) throw refuse(`unknown board ${board.name}`);
  const fats = await fatPartitions(readAt);
  const [first] = fats;
  if (first?.number !== 1) throw refuse("partition 1 holds no FAT filesystem");
  if (board.firmware.includes("bootcode.bin") && !(await first.has("bootcode.bin"))) {
    throw refuse("partition 1 has no bootcode.bin, which the boot ROM looks for");
  }
  const on: Conditions = { models: model.filters, boardType: model.boardType, isTryboot: request.tryboot };
  const autoboot =
    (await first.read("autoboot.txt", maxTextBytes))?.subarray(0, autobootBytes).toString("latin1") ?? "";
  const { values } = await readSettings(autoboot, on);
  const wanted = request.partition || Number(values.get("boot_partition") ?? 0) || 0;
  const chosen = await choosePartition(fats, wanted, board);
  const name = request.tryboot && values.get("tryboot_a_b") !== "1" ? "tryboot.txt" : "config.txt";
  const found = await loadSystem(chosen, name, { ...on, partition: chosen.number }, model.deviceTrees);

  const tree = readFdt(found.deviceTree);
  const bootloader = { partition: chosen.number, tryboot: Number(request.tryboot), "boot-mode": 1 };
  if (model.buildS) Object.assign(bootloader, { "build-timestamp": model.buildS });
  for (const [key, value] of Object.entries(bootloader)) setProperty(tree, "/chosen/bootloader", key, value);
  setProperty(tree, "/chosen", "os_prefix", found.prefix);
  if (request.serial) setProperty(tree, "/", "serial-number", request.serial);
  const { kernel, initrd, commandLine } = found;
  return {
    kernel,
    ...(initrd && { initrd }),
    deviceTree: writeFdt(tree),
    commandLine,
    slotPartition: chosen.number,
    isTryboot: request.tryboot,
  };
}

/** "Bootable partitions … contain a start.elf file (or config.txt file on Raspberry Pi 5)". */
async function choosePartition(fats: Files[], wanted: number, board: RpiBoard): Promise<Files> {
  const start = board.firmware.find((file) => /^start.*\.elf$/.test(file)) ?? "config.txt";
  const isBootable = async (one: Files | undefined) => one !== undefined && (await one.has(start));
  const named = fats.find(({ number }) => number === wanted);
  if (named && (await isBootable(named))) return named;
  // If a partition is not bootable, the firmware tries partition 1 (EEPROM release notes, 2022-10-18).
  const others = wanted === 0 ? fats : fats.filter(({ number }) => number === 1);
  for (const one of others) if (await isBootable(one)) return one;
  throw refuse(
    wanted === 0
      ? `no partition has ${start}`
      : `neither partition ${wanted}, which was asked for, nor partition 1 has ${start}`,
  );
}
