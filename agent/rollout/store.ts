// The file of rollouts: what outlives a restart of the view, and the signed words of all devices, to hand on.
import { z } from "zod";
import { KeptView } from "../../ota/rollout/kept.ts";
import { agentFilesIn } from "../../provisioning/handover/agent-files.ts";
import { AutoRelease } from "../../provisioning/trust/rollout-policy.ts";
import { type Damage, keep, readKept } from "../../system/kept.ts";
import { documentsIn, isOfType } from "../membership/salvage.ts";

const RolloutsFile = z.object({
  v: z.literal(1),
  view: KeptView,
  results: z.array(z.string()).max(4096),
  auto: z.unknown().exactOptional().describe("AutoRelease; one that this release does not understand is none"),
});
export type KeptRollouts = { view: KeptView; results: readonly string[]; auto?: AutoRelease | undefined };

const nothing: KeptView = { progress: [], results: [] };

export class RolloutStore {
  readonly #path: string;

  constructor(stateFolder: string) {
    this.#path = agentFilesIn(stateFolder).rollouts;
  }

  async load(): Promise<KeptRollouts & { damage?: Damage }> {
    const { value, damage } = await readKept(this.#path, RolloutsFile);
    // Each word proves itself, whatever has become of the file around it.
    const found = damage?.isLost ? damage.texts.flatMap(documentsIn).filter(isOfType("hamlet-result")) : [];
    return {
      view: value?.view ?? nothing,
      results: value?.results ?? found,
      auto: AutoRelease.safeParse(value?.auto).data,
      ...(damage && { damage }),
    };
  }

  /** Throws `file.full` or the system's error. */
  save({ view, results, auto }: KeptRollouts): Promise<void> {
    const content: z.infer<typeof RolloutsFile> = { v: 1, view, results: [...results], ...(auto && { auto }) };
    return keep(this.#path, content);
  }
}
