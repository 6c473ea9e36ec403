// The Raspberry Pi's firmware as far as A/B booting goes: from the bytes of a disk to what is started. QEMU has the
// board but not this; the lab asks here what to load.
import { HamletError } from "../../../system/error.ts";
import type { RpiBoard } from "../../boards.ts";
import type { ReadAt } from "../../fat.ts";

export type BootPlan = {
  kernel: Buffer;
  initrd?: Buffer;
  /** With what the firmware adds to `/chosen`. */
  deviceTree: Buffer;
  commandLine: string;
  /** Number of the partition that was chosen: 2 for slot a, 3 for slot b. */
  slotPartition: number;
  isTryboot: boolean;
};

/** Throws `lab.firmwareRefused` where the real one would start nothing. */
export async function planBoot(_readAt: ReadAt, _board: RpiBoard, _request: { tryboot: boolean }): Promise<BootPlan> {
  throw new HamletError("lab.firmwareRefused", "not built yet");
}
