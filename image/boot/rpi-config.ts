// config.txt of a Raspberry Pi's boot partition: which kernel, initrd, command line and device tree its firmware loads.
// Pure.
import type { RpiBoard } from "../boards.ts";

/**
 * Which device tree a model needs, by the type in its revision code. Left alone the firmware looks for the names of the
 * downstream kernel (`bcm2710-rpi-3-b.dtb`); those of kernel.org differ on a Pi 3 and on a Compute Module 4, and
 * `upstream_kernel=1` alone finds the latter only in firmware since 2022. A name of our own for each works with any.
 */
const models: { boardType: number; upstream: string; downstream: string }[] = [
  { boardType: 0x08, upstream: "bcm2837-rpi-3-b.dtb", downstream: "bcm2710-rpi-3-b.dtb" },
  { boardType: 0x0d, upstream: "bcm2837-rpi-3-b-plus.dtb", downstream: "bcm2710-rpi-3-b-plus.dtb" },
  { boardType: 0x0e, upstream: "bcm2837-rpi-3-a-plus.dtb", downstream: "bcm2710-rpi-3-a-plus.dtb" },
  { boardType: 0x12, upstream: "bcm2837-rpi-zero-2-w.dtb", downstream: "bcm2710-rpi-zero-2-w.dtb" },
  { boardType: 0x11, upstream: "bcm2711-rpi-4-b.dtb", downstream: "bcm2711-rpi-4-b.dtb" },
  { boardType: 0x13, upstream: "bcm2711-rpi-400.dtb", downstream: "bcm2711-rpi-400.dtb" },
  { boardType: 0x14, upstream: "bcm2711-rpi-cm4-io.dtb", downstream: "bcm2711-rpi-cm4.dtb" },
];

/** For a boot partition that has these device trees; those whose names the firmware knows by itself need no line. */
export function configTxt(board: RpiBoard, deviceTrees: readonly string[] = board.deviceTrees): string {
  const renamed = models.filter(
    ({ upstream, downstream }) => upstream !== downstream && deviceTrees.includes(upstream),
  );
  return [
    "[all]",
    "arm_64bit=1",
    "enable_uart=1",
    "kernel=kernel",
    "initramfs initrd followkernel",
    "cmdline=cmdline.txt",
    ...renamed.flatMap(({ boardType, upstream }) => [
      `[board-type=0x${boardType.toString(16).padStart(2, "0")}]`,
      `device_tree=${upstream}`,
    ]),
    "",
  ].join("\n");
}
