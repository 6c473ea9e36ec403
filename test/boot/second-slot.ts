// An image in the state that an update reaches just before the trial: slot b is written and, if the boot loader needs one, its
// kernel is on the EFI partition. Slot b holds slot a's system under a newer version.

import { constants, copyFile, type FileHandle, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findSections } from "../../image/assemble/uki.ts";
import { findFatFile, readFatFile } from "../../image/disk/fat.ts";
import { readerOf } from "../../image/disk/read-at.ts";
import { type ImageFacts, inspectImage } from "../../image/inspect/inspect.ts";
import { run } from "../../system/command.ts";

/** The kernel of a newer release for that slot. Slot a can have one too, though its system stays the same. */
export const candidatePath = (slot: "a" | "b") => `/efi/candidate-${slot}.efi`;

/** The versions are those of the newer release in slot b and optionally in slot a; each must be as long as the image's own. */
export async function withSecondSlot(image: string, [version, versionA]: [string, string?]) {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-slots-"));
  const copy = join(folder, "slots.img");
  await copyFile(image, copy, constants.COPYFILE_FICLONE);
  const facts = await inspectImage(copy);
  const file = await open(copy, "r+");
  const isPi = facts.partitions.some(({ label }) => label === "boot-a");
  try {
    for (const kind of [...(isPi ? ["boot"] : []), "root", "verity"]) await copyPartition(file, facts, kind);
    if (isPi) await renameSlotOnPi(file, facts);
  } finally {
    await file.close();
  }
  if (!isPi) await addKernel(copy, facts, "b", version, join(folder, "kernel"));
  if (!isPi && versionA) await addKernel(copy, facts, "a", versionA, join(folder, "kernel"));
  return { image: copy, isPi, dispose: () => rm(folder, { recursive: true }) };
}

const partition = ({ partitions }: ImageFacts, label: string) => partitions.find((one) => one.label === label)!;

async function copyPartition(file: FileHandle, facts: ImageFacts, kind: string): Promise<void> {
  const [source, target] = [partition(facts, `${kind}-a`), partition(facts, `${kind}-b`)];
  const readAt = readerOf(file);
  const step = 4 << 20;
  for (let at = 0; at < source.sizeBytes; at += step) {
    const bytes = await readAt(source.firstByte + at, step);
    if (bytes.some((byte) => byte !== 0)) await file.write(bytes, 0, bytes.length, target.firstByte + at);
  }
}

async function renameSlotOnPi(file: FileHandle, facts: ImageFacts): Promise<void> {
  const readAt = readerOf(file);
  const found = (await findFatFile(readAt, partition(facts, "boot-b").firstByte, "cmdline.txt", 4096))!;
  const [{ offset, length } = { offset: 0, length: 0 }] = found.extents;
  const line = await readAt(offset, length);
  await file.write(replaced(line, 0, line.length, "hamlet.slot=a", "hamlet.slot=b"), 0, length, offset);
}

async function addKernel(image: string, facts: ImageFacts, slot: "a" | "b", version: string, work: string) {
  const file = await open(image, "r");
  const esp = partition(facts, "esp").firstByte;
  const kernel = (await readFatFile(readerOf(file), esp, facts.entries[0]!, 128 << 20))!;
  await file.close();
  const sections = findSections(kernel);
  const replace = (name: string, old: string, next: string) => {
    const { offset, sizeBytes } = sections.find((one) => one.name === name)!;
    replaced(kernel, offset, sizeBytes, old, next);
  };
  replace(".cmdline", "hamlet.slot=a", `hamlet.slot=${slot}`);
  for (const name of ["VERSION_ID", "IMAGE_VERSION"])
    replace(".osrel", `${name}=${facts.version}\n`, `${name}=${version}\n`);
  await writeFile(work, kernel);
  await run(["mcopy", "-i", `${image}@@${esp}`, work, candidatePath(slot).replace("/efi", "::")], {
    timeoutMs: 60_000,
  });
}

function replaced(bytes: Buffer, offset: number, length: number, old: string, next: string): Buffer {
  const at = bytes.indexOf(old, offset);
  if (at < 0 || at > offset + length || old.length !== next.length) throw new Error(`no '${old}' to replace`);
  bytes.write(next, at, "latin1");
  return bytes;
}
