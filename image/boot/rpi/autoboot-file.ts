// `autoboot.txt` on a device: one sector, written directly to the disk, so that the rest of the FAT is not touched.
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { HamletError } from "../../../system/error.ts";
import { findFatFile } from "../../disk/fat.ts";
import { withReader } from "../../disk/read-at.ts";
import { autobootBytes } from "./autoboot.ts";
import type { Sector } from "./doors.ts";

/** `device` is its partition. Reading and writing throw `boot.unclear` if the file is not exactly one sector. */
export function autobootFileOn(device: string): Sector {
  const find = async () => {
    const file = await withReader(device, (readAt) => findFatFile(readAt, 0, "autoboot.txt", autobootBytes));
    const [extent] = file?.extents ?? [];
    // A single aligned sector is written whole or not at all.
    if (extent?.length === autobootBytes && extent.offset % autobootBytes === 0) return extent.offset;
    throw new HamletError("boot.unclear", `${device} has no autoboot.txt of ${autobootBytes} bytes`, {
      hint: "the card's first partition is damaged: the device still runs but cannot be updated; flash the card again",
    });
  };
  return {
    async read() {
      const offset = await find();
      return withReader(device, (readAt) => readAt(offset, autobootBytes));
    },
    async write(bytes) {
      const offset = await find();
      const file = await open(device, constants.O_RDWR | constants.O_SYNC);
      try {
        await file.write(bytes, 0, bytes.length, offset);
        await file.sync();
      } finally {
        await file.close();
      }
    },
  };
}
