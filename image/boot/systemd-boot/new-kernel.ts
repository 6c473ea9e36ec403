// Copies a new kernel into the EFI partition: checks first whether it may, then verifies the copy.
import { HamletError } from "../../../system/error.ts";
import { findSections } from "../../assemble/uki.ts";
import { type Candidate, type NewKernel, otherSlot, type Slot } from "../boot-control.ts";
import { slotOnCommandLine } from "../running.ts";
import { type Entry, entryName, looksCounted, parseEntryName } from "./entries.ts";
import { type EntryFolder, headBytes } from "./entry-folder.ts";

/** Reserve: folders grow by clusters, and the FAT itself takes room. */
const spareBytes = 64 << 10;
/** The command line comes before kernel and initrd, behind a stub of 100 kB. */
const peekedBytes = 1 << 20;
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
  const needed = kernel.sizeBytes + spareBytes;
  const stale = [...entries.filter((one) => one.slot !== running), ...(await folder.leftovers())];
  const room = (await folder.freeBytes()) + stale.reduce((sum, one) => sum + one.sizeBytes, 0);
  if (needed <= room) return kernel;
  throw refuse(
    "boot.noRoom",
    `the EFI partition has ${room} bytes free, the kernel needs ${needed}`,
    "remove files from it that are not Hamlet's",
  );
}

/** The temporary name of this kernel, if an earlier attempt wrote all of it. */
export async function findWritten(
  folder: EntryFolder,
  leftovers: readonly { file: string; sizeBytes: number }[],
  slot: Slot,
  version: string,
  kernel: NewKernel,
): Promise<string | undefined> {
  const found = leftovers.find(
    ({ file, sizeBytes }) => file === folder.temporaryName(version) && sizeBytes === kernel.sizeBytes,
  );
  if (!found || (await folder.about(found.file))?.slot !== slot) return undefined;
  return (await kernel.isSame(folder.readBack(found.file)).catch(() => false)) ? found.file : undefined;
}

/** Checks the start of the kernel and returns all of its bytes. Throws `boot.slotNotReady`. */
export async function peekAtKernel(kernel: NewKernel, slot: Slot): Promise<AsyncIterable<Buffer>> {
  const bytes = kernel.read()[Symbol.asyncIterator]();
  const taken: Buffer[] = [];
  let isOver = false;
  let starts: Slot | undefined;
  for (let length = 0; starts === undefined && !isOver && length < peekedBytes; ) {
    const next = await bytes.next();
    if (next.done) isOver = true;
    else {
      taken.push(Buffer.from(next.value));
      length += next.value.length;
      starts = slotOf(Buffer.concat(taken));
    }
  }
  if (starts !== slot) {
    await bytes.return?.();
    const why = starts
      ? `the kernel starts slot ${starts}, not ${slot}`
      : "the kernel is no unified kernel image of ours";
    throw refuse("boot.slotNotReady", why, `build it for slot ${slot}`);
  }
  return (async function* () {
    yield* taken;
    if (!isOver) yield* { [Symbol.asyncIterator]: () => bytes };
  })();
}

/** Undefined if `start` is no kernel of ours, or ends before its command line does. */
export function slotOf(start: Buffer): Slot | undefined {
  try {
    const line = findSections(start.subarray(0, headBytes)).find(({ name }) => name === ".cmdline");
    const end = line ? line.offset + line.sizeBytes : Number.POSITIVE_INFINITY;
    return line && end <= start.length ? slotOnCommandLine(start.toString("latin1", line.offset, end)) : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the temporary name of the verified copy. Throws `boot.writeFailed`. */
export async function writeKernel(
  folder: EntryFolder,
  kernel: NewKernel,
  bytes: AsyncIterable<Buffer>,
  version: string,
): Promise<string> {
  const temporary = await folder.writeNew(version, bytes);
  if (await kernel.isSame(folder.readBack(temporary))) return temporary;
  await folder.remove(temporary);
  throw new HamletError("boot.writeFailed", "the kernel reads back differently from what was written", {
    hint: "the disk may be failing",
  });
}
