// A reset that the owner asks for over the link, in two questions: first for a nonce of root's, then, signed, for the reset that names it.
import { askRoot, type ResetFiles } from "../../provisioning/handover/asked-reset.ts";
import { makeQueue } from "../../system/queue.ts";
import type { Answerers } from "./answers.ts";
import { type Device, refuseReset } from "./requests.ts";
import { rootWithinMs } from "./schema.ts";

export function makeAskedReset(device: Device, files: ResetFiles): Pick<Answerers, "resetNonce" | "reset"> {
  const inTurn = makeQueue();
  const patience = { withinMs: rootWithinMs };
  return {
    resetNonce: async (asked) => {
      refuseReset(device, asked);
      return { nonce: await inTurn(() => askRoot(files, undefined, patience)) };
    },
    // Root judges the nonce too.
    reset: async (asked, signed) => {
      refuseReset(device, asked);
      await inTurn(() => askRoot(files, signed, patience, async () => device.life()?.leave()));
      return { id: device.id };
    },
  };
}
