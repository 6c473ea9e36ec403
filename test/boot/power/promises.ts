// What a device promises at each moment of a recorded update, read from the log with every write in its place: which entry the loader
// starts, what each release's slot and kernel hold, and when the steps of the update were done.
import { headSectors, readGpt } from "../../../image/disk/gpt.ts";
import { type Choice, chooseStart, type Kernels } from "./loader.ts";
import { type LoggedDisk, openLoggedDisk, sectorBytes } from "./logged-disk.ts";
import type { Recording } from "./recording.ts";
import { type Digests, readContent, type SlotContent } from "./slot.ts";
import type { Quotas } from "./states.ts";

export type Range = { offset: number; length: number };
export type Partitions = Record<"esp" | "root-a" | "verity-a" | "root-b" | "verity-b" | "data", Range>;
export type Promises = {
  partitions: Partitions;
  /** After the flush at `index`, and until the next one. */
  choices: { index: number; choice: Choice }[];
  contents: Map<string, SlotContent>;
  /** By version. */
  kernelSums: Map<string, string>;
  rootHashes: Map<string, string>;
  badVersion: string;
  good: Steps;
  bad: Steps;
  /** Kept from one pass over the log to the next. */
  digests: Digests;
  kernels: Kernels;
};
/** Places in the log as recorded. */
export type Steps = {
  /** The first and the last write to the slot, its tree included. */
  firstWrite: number;
  lastWrite: number;
  /** The first write that arms the trial, and the flush that ends it. */
  arming: number;
  armed: number;
  /** The same of the verdict: the commit, or the mark of a bad release. */
  judging: number;
  judged: number;
};

/** The updater's own files follow the verdict, each with a copy, and each file needs two flushes. */
const flushesToSettle = 20;

export async function readPromises(recording: Recording): Promise<Promises> {
  const disk = openLoggedDisk(recording.base, recording.log);
  try {
    const partitions = partitionsOf(disk);
    if (!partitions) throw new Error("the disk has no table of partitions");
    const rootHashes = new Map<string, string>();
    const [contents, kernelSums, kernels] = [new Map<string, SlotContent>(), new Map<string, string>(), new Map()];
    const choices: Promises["choices"] = [];
    const look = async (index: number) => {
      const choice = await chooseStart(disk, partitions.esp.offset, kernels);
      if (!choice) throw new Error(`the loader finds nothing after entry ${index}`);
      choices.push({ index, choice });
      const { slot, rootHash, version, kernelSha256 } = choice.first;
      kernelSums.set(version, kernelSha256);
      rootHashes.set(version, rootHash);
      if (contents.has(rootHash)) return;
      const content = readContent(disk, partitions[`verity-${slot}`].offset, rootHash);
      if (!content) throw new Error(`slot ${slot} is started before its tree is written`);
      contents.set(rootHash, content);
    };
    await look(-1);
    for (const entry of recording.entries) {
      if (entry.kind === "write") disk.put([entry]);
      if (entry.kind === "flush") await look(entry.index);
    }
    const steps = (after: number) => stepsAfter(recording, partitions, choices, after);
    const good = steps(-1);
    const bad = steps(good.judged);
    const badVersion = choices.findLast(({ choice }) => choice.first.triesLeft !== undefined)!.choice.first.version;
    const found = { partitions, choices, contents, kernelSums, rootHashes, kernels };
    return { ...found, good, bad, badVersion, digests: new Map() };
  } finally {
    disk.close();
  }
}

/** Undefined while the table does not read. */
export function partitionsOf(disk: LoggedDisk): Partitions | undefined {
  const gpt = readGpt(disk.read(0, headSectors * sectorBytes));
  if (!gpt) return undefined;
  const ranges = gpt.partitions.map(({ label, firstSector, sectors }) => [
    label,
    { offset: firstSector * sectorBytes, length: sectors * sectorBytes },
  ]);
  return Object.fromEntries(ranges);
}

function stepsAfter(
  { entries }: Recording,
  partitions: Partitions,
  choices: Promises["choices"],
  after: number,
): Steps {
  const later = choices.filter(({ index }) => index > after);
  const armed = later.find(({ choice }) => choice.first.triesLeft !== undefined)!;
  const judged = later.find(({ index, choice }) => index > armed.index && choice.first.triesLeft === undefined)!;
  const { slot } = armed.choice.first;
  const writesTo = (labels: (keyof Partitions)[], from: number, until: number) =>
    entries.filter(
      (entry) =>
        entry.kind === "write" &&
        entry.index > from &&
        entry.index < until &&
        labels.some((label) => isIn(partitions[label], entry.offset)),
    );
  const slotWrites = writesTo([`root-${slot}`, `verity-${slot}`], after, armed.index);
  const firstOf = (flush: number) => {
    const before = entries.findLast(({ kind, index }) => kind === "flush" && index < flush)!;
    return writesTo(["esp"], before.index, flush)[0]!.index;
  };
  return {
    firstWrite: slotWrites[0]!.index,
    lastWrite: slotWrites.at(-1)!.index,
    arming: firstOf(armed.index),
    armed: armed.index,
    judging: firstOf(judged.index),
    judged: judged.index,
  };
}

const isIn = ({ offset, length }: Range, at: number) => at >= offset && at < offset + length;

/** Where the states of a recording lie. */
export function quotasOf({ entries }: Recording, { good, bad }: Promises): Quotas {
  const flushes = entries.filter(({ kind }) => kind === "flush").map(({ index }) => index);
  const settled = (judged: number) =>
    flushes.filter((index) => index > judged)[flushesToSettle] ?? Number.POSITIVE_INFINITY;
  const critical = [good, bad].map(({ lastWrite, judged }) => ({ from: lastWrite, until: settled(judged) }));
  return { critical, second: settled(good.judged) };
}

/** What may start from a disk whose power ended when the log, as recorded, had come to `index`. */
export function promisedAt({ choices }: Promises, index: number): Set<string> {
  const at = choices.findLastIndex((one) => one.index <= index);
  const [before, after] = [choices[at]!, choices[at + 1]];
  const files = new Set([before.choice.first.file]);
  if (before.index === index || !after || after.choice.first.file === before.choice.first.file) return files;
  files.add(after.choice.first.file);
  // A rename may lose both names: then the other slot starts, and its updater tries again.
  if (before.choice.next) files.add(before.choice.next.file);
  return files;
}
