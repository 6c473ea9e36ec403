// The file of what operators have signed: a document counts only once it is here.
import { z } from "zod";
import { agentFilesIn } from "../../provisioning/handover/agent-files.ts";
import { type Damage, keep, readKept } from "../../system/kept.ts";
import { documentsIn, isOfType } from "../membership/salvage.ts";
import { standing } from "./comebacks.ts";
import type { Floors, Held } from "./held.ts";

const Floor = z.number().min(0);
const OrdersFile = z.object({
  v: z.literal(1),
  operators: z.array(z.string()),
  rollouts: z.array(z.string()),
  holds: z.array(z.string()),
  forgets: z.array(z.string()),
  comebacks: z.array(z.string()).default([]),
  pastRollouts: z.array(z.string()).default([]).describe("ids of rollouts that made room for others"),
  floorsMs: z.object({ operators: Floor, rollouts: Floor, holds: Floor, forgets: Floor }),
});
export type KeptOrders = Omit<z.infer<typeof OrdersFile>, "v"> & { damage?: Damage };

export class OrdersStore {
  readonly #path: string;

  constructor(stateFolder: string) {
    this.#path = agentFilesIn(stateFolder).orders;
  }

  async load(): Promise<KeptOrders> {
    const { value, damage } = await readKept(this.#path, OrdersFile);
    // Each document proves itself: a whole one counts, whatever has become of the file around it.
    const found = damage?.isLost ? damage.texts.flatMap(documentsIn) : [];
    return {
      operators: value?.operators ?? found.filter(isOfType("hamlet-operator")),
      rollouts: value?.rollouts ?? found.filter(isOfType("hamlet-rollout")),
      holds: value?.holds ?? found.filter(isOfType("hamlet-hold")),
      forgets: value?.forgets ?? found.filter(isOfType("hamlet-forget")),
      pastRollouts: value?.pastRollouts ?? [],
      comebacks: value?.comebacks ?? found.filter(isOfType("hamlet-comeback")),
      floorsMs: value?.floorsMs ?? { operators: 0, rollouts: 0, holds: 0, forgets: 0 },
      ...(damage && { damage }),
    };
  }

  /** Throws `file.full` or the system's error. */
  async save({ operators, rollouts, holds, forgets, comebacks, pastRollouts }: Held): Promise<void> {
    const texts = (documents: Iterable<{ jws: string }>) => [...documents].map(({ jws }) => jws);
    const content: z.infer<typeof OrdersFile> = {
      v: 1,
      operators: texts(operators.documents.values()),
      rollouts: texts([...rollouts.documents.values()].flat()),
      holds: texts(holds.documents.values()),
      forgets: texts(forgets.documents.values()),
      pastRollouts: [...pastRollouts],
      comebacks: texts(standing({ forgets, comebacks }).values()),
      floorsMs: {
        ...{ operators: operators.floorMs, rollouts: rollouts.floorMs },
        ...{ holds: holds.floorMs, forgets: forgets.floorMs },
      } satisfies Floors,
    };
    await keep(this.#path, content);
  }
}
