// `autoboot.txt`: which boot partition a Raspberry Pi starts by default, and which one in a trial. One sector, written in
// place: FAT has no safe rename, and a card writes single sectors.
// Pure. Raspberry Pi documentation, "autoboot.txt".
import { otherSlot, type Slot } from "../boot-control.ts";

/** The firmware reads no more than this. */
export const autobootBytes = 512;
/** Numbers of the boot partitions (nix/layout.json). */
export const bootPartitions: Record<Slot, number> = { a: 2, b: 3 };

/** The sector that makes `slot` the default and starts the other one once after `reboot "0 tryboot"`. */
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

/** The default slot, or undefined if the sector is not ours; the firmware then starts whatever it finds. */
export const defaultSlot = (sector: Buffer): Slot | undefined =>
  (["a", "b"] as const).find((slot) => autobootSector(slot).equals(sector));
