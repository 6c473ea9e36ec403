// Asks the witnesses of a trial with each look at the device, until one confirms all of it.
import type { Confirmation, Evidence } from "../../provisioning/handover/update.ts";
import type { UpdaterParts } from "./parts.ts";
import type { Armed } from "./state.ts";
import { askNow, bestOf, confirmationsIn, isFull } from "./witnesses.ts";

export type WitnessWatch = {
  /** The agent's evidence; what witnesses say in it is kept. Throws `update.agentSilent`. */
  evidence(): Promise<Evidence>;
  confirmations(): Confirmation[];
};

type Doors = Pick<UpdaterParts, "nonce"> & {
  door: Pick<UpdaterParts["door"], "evidence">;
  clock: Pick<UpdaterParts["clock"], "monotonic">;
  device: Pick<UpdaterParts["device"], "bootId">;
};

export function watchWitnesses({ witnesses }: Pick<Armed, "witnesses">, doors: Doors): WitnessWatch {
  let confirmations: Confirmation[] = [];
  return {
    async evidence() {
      if (!witnesses || confirmations.some(isFull)) return doors.door.evidence();
      const question = askNow(doors);
      const from = witnesses.members.map(({ id }) => id);
      const evidence = await doors.door.evidence({ witness: { nonce: question.nonce, from } });
      confirmations = bestOf(confirmations, confirmationsIn(evidence, witnesses, question));
      return evidence;
    },
    confirmations: () => confirmations,
  };
}
