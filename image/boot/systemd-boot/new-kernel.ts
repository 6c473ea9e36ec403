// Copies a new kernel into the EFI partition: checks first whether it may, then verifies the copy.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { HamletError } from "../../../system/error.ts";
import { type Candidate, otherSlot, type Slot } from "../boot-control.ts";
import { type Entry, entryName, looksCounted, parseEntryName } from "./entries.ts";
import type { EntryFolder } from "./entry-folder.ts";

type NewKernel = NonNullable<Candidate["kernel"]>;

/** Reserve: folders grow by clusters, and the FAT itself takes room. */
const spareBytes = 64 << 10;
const refuse = (code: "boot.versionClash" | "boot.slotNotReady" | "boot.noRoom", why: string, hint: string) =>
  new HamletError(code, why, { hint, exitCode: 3 });

/** Changes nothing. Counts as free whatever does not belong to the running slot. */
export async function checkKernel(
  folder: EntryFolder,
  entries: Entry[],
  running: Slot,
  { version, kernel }: Candidate,
): Promise<NewKernel> {
  const slot = otherSlot(running);
  if (!kernel)
    throw refuse("boot.slotNotReady", `slot ${slot} has no kernel to start it`, "pass the unified kernel image");
  const { stem } = parseEntryName(entryName(version)) ?? {};
  const clash = entries.find((one) => one.slot === running && one.stem === stem);
  if (clash || looksCounted(version)) {
    const why = clash ? `${clash.file} is the running slot's kernel` : `version ${version} ends like a boot counter`;
    throw refuse("boot.versionClash", why, "give each build its own version");
  }
  const about = await folder.about(kernel.path);
  if (about?.slot !== slot) {
    const why = about
      ? `the kernel starts slot ${about.slot}, not ${slot}`
      : "the kernel is no unified kernel image of ours";
    throw refuse("boot.slotNotReady", why, `build it for slot ${slot}`);
  }
  const needed = (await stat(kernel.path)).size + spareBytes;
  const stale = entries.filter((one) => one.slot !== running);
  const room = (await folder.freeBytes()) + stale.reduce((sum, one) => sum + one.sizeBytes, 0);
  if (needed <= room) return kernel;
  throw refuse(
    "boot.noRoom",
    `the EFI partition has ${room} bytes free, the kernel needs ${needed}`,
    "remove files from it that are not Hamlet's",
  );
}

/** Returns the temporary name of the verified copy. Throws `boot.writeFailed`. */
export async function writeKernel(folder: EntryFolder, kernel: NewKernel, version: string): Promise<string> {
  const hash = createHash("sha256");
  async function* hashed() {
    for await (const chunk of createReadStream(kernel.path, { highWaterMark: 1 << 20 })) {
      hash.update(chunk as Buffer);
      yield chunk as Buffer;
    }
  }
  const temporary = await folder.writeNew(version, hashed());
  const isAnnounced = hash.digest("hex") === kernel.sha256;
  if (isAnnounced && (await folder.digest(temporary)) === kernel.sha256) return temporary;
  await folder.remove(temporary);
  throw new HamletError(
    "boot.writeFailed",
    isAnnounced
      ? "the kernel reads back differently from what was written"
      : "the kernel does not have the expected digest",
    { hint: isAnnounced ? "the disk may be failing" : "fetch it again" },
  );
}
