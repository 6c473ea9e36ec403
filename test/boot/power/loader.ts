// What systemd-boot would start from a logged disk, and what it would start once that has failed as often as it may.
import { hash } from "node:crypto";
import type { Slot } from "../../../image/boot/boot-control.ts";
import { parseEntryName } from "../../../image/boot/systemd-boot/entries.ts";
import { findFatFile, listFatFolder } from "../../../image/disk/fat.ts";
import { readExtents } from "../../../image/disk/read-at.ts";
import { sectionsOf } from "../../image/assemble/stub.ts";
import { chooseEntry } from "../../image/boot/systemd-boot/bench.ts";
import type { LoggedDisk } from "./logged-disk.ts";

export type Start = {
  file: string;
  slot: Slot;
  version: string;
  /** Undefined: it is blessed. */
  triesLeft: number | undefined;
  rootHash: string;
  kernelSha256: string;
};
/** `next`: the loader's choice without the first one's entry. */
export type Choice = { first: Start; next: Start | undefined };

type Kernel = { head: Buffer; sha256: string; rootHash: string };
/** `placesIn` tells apart what one place has held. */
type Readable = Pick<LoggedDisk, "readAt" | "placesIn">;
/** By where their bytes are. */
export type Kernels = Map<string, Kernel>;

const entriesFolder = "EFI/Linux";
export const maxKernelBytes = 256 << 20;
/** Its sections up to the command line; the kernel itself comes after. */
export const headBytes = 1 << 20;

export async function chooseStart(disk: Readable, esp: number, kernels: Kernels): Promise<Choice | undefined> {
  const names = (await listFatFolder(disk.readAt, esp, entriesFolder)) ?? [];
  const found = new Map<string, Kernel>();
  for (const name of names.filter((one) => /\.efi$/i.test(one))) {
    const kernel = await kernelAt(disk, esp, name, kernels);
    if (kernel) found.set(name, kernel);
  }
  const first = choose([...found.keys()], found);
  if (!first) return undefined;
  const rest = [...found.keys()].filter((name) => name !== first.file);
  return { first, next: choose(rest, found) };
}

function choose(names: string[], kernels: Map<string, Kernel>): Start | undefined {
  let counted: string | undefined;
  const ask = (among: string[]) =>
    chooseEntry(
      among,
      (file) => kernels.get(file)!.head,
      (from) => {
        counted = from;
      },
    );
  const chosen = ask(names);
  if (!chosen) return undefined;
  const { slot, version, countPath } = chosen;
  const triedInVain = countPath?.split("\\").at(-1);
  // A cut rename may leave a name of 8 and 3 letters, in which nobody sees what the long one counted.
  const isIt = (name: string) => !isCounted.test(name) && ask([name])?.version === version;
  const file = counted ?? triedInVain ?? names.find(isIt)!;
  const { rootHash, sha256 } = kernels.get(file)!;
  return { file, slot, version, triesLeft: parseEntryName(file)?.triesLeft, rootHash, kernelSha256: sha256 };
}

const isCounted = /\+\d+(-\d+)?\.efi$/i;

export async function kernelAt(
  disk: Readable,
  esp: number,
  name: string,
  kernels: Kernels,
): Promise<Kernel | undefined> {
  const file = await findFatFile(disk.readAt, esp, `${entriesFolder}/${name}`, maxKernelBytes);
  if (!file) return undefined;
  const places = file.extents.flatMap(({ offset, length }) => [
    Buffer.from(`${offset} ${length} `),
    disk.placesIn(offset, length),
  ]);
  const key = hash("sha1", Buffer.concat(places), "base64");
  const known = kernels.get(key);
  if (known) return known;
  const bytes = await readExtents(disk.readAt, file.extents);
  const kernel = {
    head: bytes.subarray(0, headBytes),
    sha256: hash("sha256", bytes, "hex"),
    rootHash: rootHashOf(bytes),
  };
  kernels.set(key, kernel);
  return kernel;
}

function rootHashOf(kernel: Buffer): string {
  try {
    const line = sectionsOf(kernel)
      .find(({ name }) => name === ".cmdline")!
      .content.toString("latin1");
    return /hamlet\.verity=([0-9a-f]{64})/.exec(line)?.[1] ?? "";
  } catch {
    return "";
  }
}
