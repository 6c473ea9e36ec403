// Finds in an image the parts that a device gets by an update, and in them the places that differ from device to device.

import { findSections } from "../../image/assemble/uki.ts";
import { boardNamed } from "../../image/boards.ts";
import { blockBytes } from "../../image/disk/block.ts";
import { type FoundFile, findFatFile } from "../../image/disk/fat.ts";
import { type ReadAt, readExtents } from "../../image/disk/read-at.ts";
import type { ImageFacts } from "../../image/inspect/inspect.ts";
import { HamletError } from "../../system/error.ts";
import type { Part, Place } from "../format/manifest.ts";

/** `extents`: where the bytes of the part lie in the image, in order. */
export type SourcePart = Pick<Part, "name" | "sizeBytes" | "places"> & { extents: FoundFile["extents"] };
export type Verity = { rootHash: string; dataBlocks: number };

const maxKernelBytes = 256 << 20;
const maxCommandLineBytes = 16 << 10;

/** In the order in which a recipe makes them. Throws `image.notOurs`. */
export async function findParts(
  readAt: ReadAt,
  facts: ImageFacts,
  name: string,
): Promise<{ parts: SourcePart[]; verity: Verity }> {
  const refuse = refusal(name);
  const partition = (label: string) => {
    const found = facts.partitions.find((one) => one.label === label);
    if (!found) throw refuse(`it has no partition ${label}`);
    return found;
  };
  const root = partition("root-a");
  const { text, other } =
    boardNamed(facts.board).layout === "uefi"
      ? await findKernel(readAt, partition("esp").firstByte, facts.version, refuse)
      : await findBoot(readAt, partition("boot-a"), refuse);
  const verity = {
    rootHash: wordOf(text, "verity", /^[0-9a-f]{64}$/, refuse).text,
    dataBlocks: blocksOf(text, refuse),
  };
  if (verity.rootHash !== facts.rootHash) throw refuse("its kernel is not the one for its root filesystem");
  const sizeBytes = verity.dataBlocks * blockBytes;
  if (sizeBytes > root.sizeBytes) throw refuse("its root filesystem is larger than its partition");
  const extents = [{ offset: root.firstByte, length: sizeBytes }];
  return { parts: [{ name: "root", sizeBytes, places: [], extents }, other], verity };
}

type Refuse = (why: string) => HamletError;
/** The kernel's command line, and the part that has it. */
type WithCommandLine = { text: string; other: SourcePart };

export const refusal =
  (name: string): Refuse =>
  (why) =>
    new HamletError("image.notOurs", `${name} cannot be published: ${why}`, {
      hint: "publish an image as `hamlet image build` made it",
    });

/** On a board with UEFI: the unified kernel image of slot a, with the letter of the slot in its section `.cmdline`. */
async function findKernel(readAt: ReadAt, esp: number, version: string, refuse: Refuse): Promise<WithCommandLine> {
  const path = `EFI/Linux/hamlet_${version}.efi`;
  const file = await findFatFile(readAt, esp, path, maxKernelBytes);
  if (!file || file.sizeBytes === 0) throw refuse(`it has no kernel ${path}`);
  const sections = findSections(await readExtents(readAt, sliceExtents(file.extents, 0, blockBytes)));
  const [section, second] = sections.filter((one) => one.name === ".cmdline");
  if (!section || second || section.sizeBytes > maxCommandLineBytes) throw refuse("its kernel has no command line");
  const { offset, sizeBytes } = section;
  const text = (await readExtents(readAt, sliceExtents(file.extents, offset, sizeBytes))).toString("latin1");
  const places = [placeOf(text, "slot", offset, refuse)];
  return { text, other: { name: "kernel", sizeBytes: file.sizeBytes, places, extents: file.extents } };
}

/** On a Raspberry Pi: the whole boot partition of slot a, with the letter and the card's signature in its `cmdline.txt`. */
async function findBoot(
  readAt: ReadAt,
  { firstByte, sizeBytes }: { firstByte: number; sizeBytes: number },
  refuse: Refuse,
): Promise<WithCommandLine> {
  const file = await findFatFile(readAt, firstByte, "cmdline.txt", maxCommandLineBytes);
  const [extent, second] = file?.extents ?? [];
  if (!extent || second) throw refuse("its boot partition has no cmdline.txt in one piece");
  const text = (await readAt(extent.offset, extent.length)).toString("latin1");
  const offset = extent.offset - firstByte;
  const places = [placeOf(text, "slot", offset, refuse), placeOf(text, "disk", offset, refuse)];
  return { text, other: { name: "boot", sizeBytes, places, extents: [{ offset: firstByte, length: sizeBytes }] } };
}

const values: Record<Place["name"], RegExp> = { slot: /^[ab]$/, disk: /^[0-9a-f]{8}$/ };

/** The place of a word of the command line that begins at `offset` of its part. */
function placeOf(commandLine: string, name: Place["name"], offset: number, refuse: Refuse): Place {
  const { text, at } = wordOf(commandLine, name, values[name], refuse);
  return { name, offset: offset + at, sizeBytes: text.length };
}

function blocksOf(commandLine: string, refuse: Refuse): number {
  return Number(wordOf(commandLine, "blocks", /^[1-9]\d{0,8}$/, refuse).text);
}

/** The value of `hamlet.<name>=`, and where it begins. It must be there once: the initrd would take another than we do. */
function wordOf(commandLine: string, name: string, value: RegExp, refuse: Refuse): { text: string; at: number } {
  const [found, second] = commandLine.matchAll(new RegExp(`(?<=(?:^|[\\s\\0])hamlet\\.${name}=)[^\\s\\0]*`, "g"));
  if (!found || second || !value.test(found[0])) throw refuse(`its command line has no single hamlet.${name}=`);
  return { text: found[0], at: found.index };
}

/** The extents of a range of a file. */
export function sliceExtents(extents: FoundFile["extents"], from: number, length: number): FoundFile["extents"] {
  const slices: FoundFile["extents"] = [];
  let start = 0;
  for (const extent of extents) {
    const [first, end] = [Math.max(from, start), Math.min(from + length, start + extent.length)];
    if (first < end) slices.push({ offset: extent.offset + first - start, length: end - first });
    start += extent.length;
  }
  return slices;
}
