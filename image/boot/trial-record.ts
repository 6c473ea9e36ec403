// The running system's record of a trial, on the data partition that both slots share. The loader's counters come first;
// the record adds whether a trial was requested, came up, and was judged, and which release ran before.
import { rm } from "node:fs/promises";
import { z } from "zod";
import { readJson, writeJson } from "../../system/files.ts";
import { copyOf } from "../../system/kept.ts";
import type { RollbackReason } from "./boot-control.ts";

/** A release on trial writes it for the one before, which reads what it knows of it. */
export const TrialRecord = z.object({
  slot: z.enum(["a", "b"]),
  version: z.string().min(1).max(64),
  phase: z.enum(["staged", "requested", "started", "bad", "kept"]),
  /** The boot in which it reached this phase. */
  bootId: z.string().max(64),
  from: z.string().min(1).max(64).exactOptional().describe("the version that began the trial"),
});
export type TrialRecord = z.infer<typeof TrialRecord>;

/** The outcome of a trial by its record alone. */
export function reasonOfRecord({ phase }: Pick<TrialRecord, "phase">): RollbackReason | undefined {
  switch (phase) {
    case "staged":
    case "requested":
      return "neverBooted";
    case "started":
      return "triesUsedUp";
    case "bad":
      return "markedBad";
    case "kept":
      return undefined;
  }
}

export type TrialRecordDoor = {
  read(): Promise<TrialRecord | undefined>;
  write(record: TrialRecord | undefined): Promise<void>;
};

/** Kept twice: one damaged file costs nothing, two cost the reason of a rollback, but never a boot. */
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
