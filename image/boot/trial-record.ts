// What the running system writes down about a trial, on the data partition that both slots share. The loader's own
// counters come first; this tells what they cannot: whether a trial was asked for, came up, and was judged.
import { rm } from "node:fs/promises";
import { z } from "zod";
import { readJson, writeJson } from "../../system/files.ts";
import { copyOf } from "../../system/kept.ts";
import type { RollbackReason } from "./boot-control.ts";

export const TrialRecord = z.strictObject({
  slot: z.enum(["a", "b"]),
  version: z.string().min(1).max(64),
  phase: z.enum(["staged", "requested", "started", "bad"]),
  /** In which boot it came to this phase. */
  bootId: z.string().max(64),
});
export type TrialRecord = z.infer<typeof TrialRecord>;

/** What a trial came to, if nothing but this tells of it. */
export function reasonOfRecord({ phase }: TrialRecord): RollbackReason {
  switch (phase) {
    case "staged":
    case "requested":
      return "neverBooted";
    case "started":
      return "triesUsedUp";
    case "bad":
      return "markedBad";
  }
}

export type TrialRecordDoor = {
  read(): Promise<TrialRecord | undefined>;
  write(record: TrialRecord | undefined): Promise<void>;
};

/** With a copy: one damaged file costs nothing, both a reason, and never a start. */
export const trialRecordAt = (path: string): TrialRecordDoor => ({
  async read() {
    for (const at of [path, copyOf(path)]) {
      const record = await readJson(at, TrialRecord).catch(() => undefined);
      if (record) return record;
    }
    return undefined;
  },
  async write(record) {
    if (record) for (const at of [path, copyOf(path)]) await writeJson(at, record);
    else for (const at of [copyOf(path), path]) await rm(at, { force: true });
  },
});
