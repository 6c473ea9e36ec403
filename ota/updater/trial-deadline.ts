// When the trial of this boot ends. Kept in memory over a restart of the updater, so that one that crashes again and again gets no
// more time.
import { join } from "node:path";
import { z } from "zod";
import { readJson, writeJson } from "../../system/files.ts";

const Deadline = z.object({ bootId: z.string(), deadlineMs: z.number() });

export async function deadlineIn(folder: string, bootId: string, now: number, verdictMs: number): Promise<number> {
  const path = join(folder, "trial.json");
  const kept = await readJson(path, Deadline).catch(() => undefined);
  if (kept?.bootId === bootId) return kept.deadlineMs;
  const deadlineMs = now + verdictMs;
  await writeJson(path, { bootId, deadlineMs });
  return deadlineMs;
}
