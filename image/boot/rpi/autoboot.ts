// `autoboot.txt`: which boot partition a Raspberry Pi starts, and which one for a trial. One sector, written in place:
// FAT has no safe rename, and a sector is the least that a card writes.
// Pure. Raspberry Pi documentation, "autoboot.txt".
import { otherSlot, type Slot } from "../boot-control.ts";

/** The firmware reads no more. */
export const autobootBytes = 512;
/** Numbers of the boot partitions (nix/layout.json). */
export const bootPartitions: Record<Slot, number> = { a: 2, b: 3 };

/** The sector with which `slot` starts, and the other one once when asked for with `reboot "0 tryboot"`. */
export function autobootSector(slot: Slot): Buffer {
  const text = [
    "[all]",
    "tryboot_a_b=1",
    `boot_partition=${bootPartitions[slot]}`,
    "[tryboot]",
    `boot_partition=${bootPartitions[otherSlot(slot)]}`,
    "",
  ].join("\n");
  return Buffer.from(text.padEnd(autobootBytes, "\n"));
}

/** The slot that starts by itself, or undefined if the sector is none of ours: then the firmware takes what it finds. */
export const defaultSlot = (sector: Buffer): Slot | undefined =>
  (["a", "b"] as const).find((slot) => autobootSector(slot).equals(sector));
