// The doors to the system that boot control on a Raspberry Pi needs.
import type { Slot } from "../boot-control.ts";
import type { TrialRecordDoor } from "../trial-record.ts";

/** The one sector of `autoboot.txt`; a write is on the card before it returns. */
export type Sector = { read(): Promise<Buffer>; write(bytes: Buffer): Promise<void> };

export type RpiTrybootDoors = {
  board: string;
  /** A property of the device tree that the firmware passed to the kernel, by path. */
  deviceTree(path: string): Promise<Buffer | undefined>;
  commandLine(): Promise<string>;
  autoboot: Sector;
  /** A file of a slot's boot partition. */
  bootFile(slot: Slot, path: string): Promise<Buffer | undefined>;
  /** Whether the kernel passes a reboot argument to the firmware. */
  isVendorKernel(): Promise<boolean>;
  record: TrialRecordDoor;
  bootId(): Promise<string>;
  version: string;
  restart(argument?: string): Promise<void>;
};
