// The smallest boot partition that the emulated firmware starts.
import { boardNamed, piKernelOf, type RpiBoard } from "../../../../image/boards.ts";
import { configTxt } from "../../../../image/boot/rpi/config.ts";
import { setProperty, writeFdt } from "../../../../image/lab/firmware/fdt.ts";
import type { FileTree } from "../../card/card.ts";

export const rpi = (name: string): RpiBoard => boardNamed(name) as RpiBoard;

export function smallTree(model = "Small"): Buffer {
  const tree = { root: { name: "", properties: new Map(), children: [] }, reservations: Buffer.alloc(16), bootCpu: 0 };
  setProperty(tree, "/", "model", model);
  setProperty(tree, "/chosen", "bootargs", "");
  return writeFdt(tree);
}

/** Like an image's boot partition; the kernel's content names its slot. */
export function bootFiles(board: RpiBoard, slot: "a" | "b", more: FileTree = {}): FileTree {
  const firmware = board.firmware.filter((name) => name !== "bootcode.bin").map((name) => [name, `${name} of ${slot}`]);
  const { deviceTrees } = piKernelOf(board, board.builders[0]!);
  const trees = deviceTrees.map((name) => [name, smallTree(name)]);
  return {
    ...Object.fromEntries(firmware),
    ...Object.fromEntries(trees),
    "config.txt": configTxt(deviceTrees),
    "cmdline.txt": `quiet hamlet.slot=${slot}\n`,
    kernel: `kernel of ${slot}`,
    initrd: `initrd of ${slot}`,
    ...more,
  };
}

export const autobootFiles = (board: RpiBoard, autoboot: string | Buffer): FileTree => ({
  "autoboot.txt": autoboot,
  ...(board.firmware.includes("bootcode.bin") ? { "bootcode.bin": "boot code" } : {}),
});
