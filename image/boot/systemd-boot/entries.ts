// The names of the kernels in `EFI/Linux`: `hamlet_<version>+<tries left>-<tries done>.efi`.
// Pure. UAPI Group, "Boot Loader Specification", boot counting.
import type { Slot } from "../boot-control.ts";

type EntryName = {
  file: string;
  /** The name without its counter, in lower case as FAT compares it. */
  stem: string;
  version: string;
  /** Undefined in a blessed entry. */
  triesLeft?: number;
  triesDone: number;
};
/** `slot` is undefined for a kernel that is truncated or not ours; `isShort`: its counter, if it had one, is lost. */
export type Entry = EntryName & { slot?: Slot | undefined; sizeBytes: number; isShort?: true };

const pattern = /^(hamlet_(.+?))(?:\+(\d+)(?:-(\d+))?)?\.efi$/i;

/** Undefined for files that are not ours. */
export function parseEntryName(file: string): EntryName | undefined {
  const match = pattern.exec(file);
  if (!match) return undefined;
  const [, stem = "", version = "", left, done] = match;
  return {
    file,
    stem: stem.toLowerCase(),
    version,
    ...(left !== undefined && { triesLeft: Number(left) }),
    triesDone: Number(done ?? 0),
  };
}

/** FAT's short form of a kernel's name. It is all that a power cut during a rename may leave, and the loader starts it uncounted. */
export const isShortName = (file: string): boolean => /^hamlet~\d+\.efi$/i.test(file);

export const entryName = (version: string, triesLeft?: number, triesDone = 0): string => {
  const counter = triesLeft === undefined ? "" : `+${triesLeft}${triesDone > 0 ? `-${triesDone}` : ""}`;
  return `hamlet_${version}${counter}.efi`;
};

/** The loader would read the end of such a version as a counter. */
export const looksCounted = (version: string): boolean => /\+\d+(-\d+)?$/.test(version);

export const isBlessed = (entry: Entry): boolean => entry.slot !== undefined && entry.triesLeft === undefined;
