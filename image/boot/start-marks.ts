// What the initrd keeps of starts that went wrong (image/bundle/initrd): the panics of each slot, and that it has led from a committed
// slot that no longer starts to the other one. Who reads them removes them.
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { readJson } from "../../system/files.ts";
import type { Slot } from "./boot-control.ts";
import { panicLines } from "./panic-lines.ts";
import { TrialRecord } from "./trial-record.ts";

export const Rescued = z.object({
  slot: TrialRecord.shape.slot.describe("the one that was left"),
  version: TrialRecord.shape.version,
  because: z.enum(["unverified", "panics"]),
});
export type Rescued = z.infer<typeof Rescued>;

export type StartMarks = {
  rescued(): Promise<(Rescued & { atMs: number }) | undefined>;
  forgetRescue(): Promise<void>;
  /** The last lines before the newest panic of the slot; undefined if it has none. */
  panicOf(slot: Slot): Promise<string[] | undefined>;
  forgetPanics(slot: Slot): Promise<void>;
};

/** A panic leaves 10 kB in pieces of 1 kB, and a firmware that was full of others keeps more. */
const maxPieces = 256;
const maxPieceBytes = 64 << 10;

/** Never throws for what it cannot read: a mark is a reason, and nothing depends on one. */
export function startMarksIn(systemFolder: string): StartMarks {
  const note = join(systemFolder, "rescued.json");
  const panics = (slot: Slot) => join(systemFolder, "panics", slot);
  return {
    async rescued() {
      const rescued = await readJson(note, Rescued).catch(() => undefined);
      return rescued && { ...rescued, atMs: Math.max(0, Math.round((await stat(note)).mtimeMs)) };
    },
    forgetRescue: () => rm(note, { force: true }),
    async panicOf(slot) {
      const [newest] = (await namesIn(panics(slot))).sort().reverse();
      if (newest === undefined) return undefined;
      const folder = join(panics(slot), newest);
      const pieces = (await namesIn(folder)).slice(0, maxPieces).map(async (name) => {
        const path = join(folder, name);
        const isSmall = (await stat(path)).size <= maxPieceBytes;
        return { name, text: isSmall ? await readFile(path, "latin1") : "" };
      });
      return panicLines(await Promise.all(pieces).catch(() => []));
    },
    forgetPanics: (slot) => rm(panics(slot), { recursive: true, force: true }),
  };
}

const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);
