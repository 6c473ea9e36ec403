// config.txt of a Raspberry Pi's boot partition: the kernel, initrd, command line and device tree that the firmware loads.
// Pure.

/**
 * Models whose device tree has another name at kernel.org than in the downstream kernel, by the type in their revision
 * code. By default the firmware looks for the downstream name. `upstream_kernel=1` changes that for a Pi 3 but not for a
 * Compute Module 4 (raspberrypi/firmware issue 1660), and falls back to its own folder and overlay if something is missing.
 * A name for each model works with any firmware that knows `board-type` (2020).
 */
const renamed: { boardType: number; upstream: string; downstream: string }[] = [
  { boardType: 0x08, upstream: "bcm2837-rpi-3-b.dtb", downstream: "bcm2710-rpi-3-b.dtb" },
  { boardType: 0x0d, upstream: "bcm2837-rpi-3-b-plus.dtb", downstream: "bcm2710-rpi-3-b-plus.dtb" },
  { boardType: 0x0e, upstream: "bcm2837-rpi-3-a-plus.dtb", downstream: "bcm2710-rpi-3-a-plus.dtb" },
  { boardType: 0x12, upstream: "bcm2837-rpi-zero-2-w.dtb", downstream: "bcm2710-rpi-zero-2-w.dtb" },
  { boardType: 0x14, upstream: "bcm2711-rpi-cm4-io.dtb", downstream: "bcm2711-rpi-cm4.dtb" },
];

/**
 * For a boot partition with these device trees in its root folder. A Pi 4, 400 and 5 need no line: both kernels and the
 * firmware use one name. Write the same text as `tryboot.txt`: start*.elf older than October 2022, which Debian 12 has, reads
 * that file during a trial whatever `tryboot_a_b` says.
 */
export function configTxt(deviceTrees: readonly string[]): string {
  const named = renamed.filter(
    ({ upstream, downstream }) => deviceTrees.includes(upstream) && !deviceTrees.includes(downstream),
  );
  return [
    "[all]",
    "arm_64bit=1",
    "enable_uart=1",
    "kernel=kernel",
    "initramfs initrd followkernel",
    "cmdline=cmdline.txt",
    ...named.flatMap(({ boardType, upstream }) => [
      `[board-type=0x${boardType.toString(16).padStart(2, "0")}]`,
      `device_tree=${upstream}`,
    ]),
    "[all]",
    "",
  ].join("\n");
}
