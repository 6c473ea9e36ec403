// Rehearses one subject after the other, each on a stage of its own, which is gone when it is over.

import type { Manifest } from "../../../../ota/format/manifest.ts";
import { HamletError } from "../../../../system/error.ts";
import { planScenarios } from "./plan.ts";
import { playScenarios } from "./scenario.ts";
import type { OpenStage } from "./stage.ts";
import { canEmulate, fetchBytesOf, type Wanted } from "./subject.ts";
import { type BoardResult, judge, type Rehearsal } from "./verdict.ts";

export type Subject = Wanted & { manifest: Manifest; old?: Manifest };
export type Plays = {
  /** Throws what keeps the subject from being rehearsed. */
  open(subject: Subject): Promise<OpenStage>;
  onStage(text: string): void;
};

export async function rehearse(
  { open, onStage }: Plays,
  subjects: readonly Subject[],
  about: Pick<Rehearsal, "release" | "seed" | "again">,
): Promise<Rehearsal> {
  const boards: BoardResult[] = [];
  for (const subject of subjects) {
    const { board, from, manifest, old } = subject;
    if (!canEmulate(board)) {
      boards.push({ board, from, reason: "QEMU cannot emulate it", scenarios: [] });
      continue;
    }
    const stage = await open(subject).catch((error: unknown) => {
      if (error instanceof HamletError) return error;
      throw error;
    });
    if (stage instanceof HamletError) {
      const { code, message, hint } = stage;
      boards.push({
        board,
        from,
        reason: `${code}: ${message}${hint === undefined ? "" : ` (${hint})`}`,
        scenarios: [],
      });
      continue;
    }
    try {
      const terms = {
        ...{ from, release: about.release, fetchBytes: fetchBytesOf(manifest, old) },
        onStage: (text: string) => onStage(`${board} ${from}: ${text}`),
      };
      const scenarios = await playScenarios(stage, planScenarios(stage.devices, about.seed), terms);
      boards.push({ board, from, scenarios });
    } finally {
      await stage.close();
    }
  }
  return judge(about, boards);
}
