// An image as an update would leave it one step before the trial: slot b written, and its kernel at hand on the EFI
// partition. The system in it is slot a's own, under a newer version.
import { constants, copyFile, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readFatFile } from "../../image/fat.ts";
import { headSectors, readGpt, sectorBytes } from "../../image/gpt.ts";
import { findSections } from "../../image/uki.ts";
import { run } from "../../system/command.ts";

export const candidatePath = "/efi/candidate.efi";

/** `entry` is slot a's kernel in the EFI partition; `version` must be as long as the image's own. */
export async function withSecondSlot(image: string, entry: string, from: string, version: string) {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-slots-"));
  const copy = join(folder, "slots.img");
  await copyFile(image, copy, constants.COPYFILE_FICLONE);
  const file = await open(copy, "r+");
  try {
    const readAt = async (offset: number, length: number) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    };
    const table = readGpt(await readAt(0, headSectors * sectorBytes))!;
    const partition = (label: string) => {
      const { firstSector, sectors } = table.partitions.find((one) => one.label === label)!;
      return { offset: firstSector * sectorBytes, length: sectors * sectorBytes };
    };
    for (const kind of ["root", "verity"]) {
      const [source, target] = [partition(`${kind}-a`), partition(`${kind}-b`)];
      const step = 4 << 20;
      for (let at = 0; at < source.length; at += step) {
        const bytes = await readAt(source.offset + at, step);
        if (bytes.some((byte) => byte !== 0)) await file.write(bytes, 0, bytes.length, target.offset + at);
      }
    }
    const esp = partition("esp").offset;
    const kernel = (await readFatFile(readAt, esp, entry, 128 << 20))!;
    await writeFile(join(folder, "kernel"), forSlotB(kernel, from, version));
    await run(["mcopy", "-i", `${copy}@@${esp}`, join(folder, "kernel"), "::/candidate.efi"], { timeoutMs: 60_000 });
  } finally {
    await file.close();
  }
  return { image: copy, dispose: () => rm(folder, { recursive: true }) };
}

function forSlotB(kernel: Buffer, from: string, version: string): Buffer {
  const replace = (name: string, old: string, next: string) => {
    const section = findSections(kernel).find((one) => one.name === name)!;
    const at = kernel.indexOf(old, section.offset);
    if (at < 0 || at > section.offset + section.sizeBytes || old.length !== next.length) throw new Error(`no ${old}`);
    kernel.write(next, at, "latin1");
  };
  replace(".cmdline", "hamlet.slot=a", "hamlet.slot=b");
  for (const name of ["VERSION_ID", "IMAGE_VERSION"]) replace(".osrel", `${name}=${from}\n`, `${name}=${version}\n`);
  return kernel;
}
