// Takes what people ask for from the agent, by a long poll.
import type { UpdateRequest } from "../../provisioning/handover/update.ts";
import { describeError } from "../../system/error.ts";
import { backoffMs } from "../../system/retry.ts";
import type { UpdaterParts } from "./parts.ts";
import type { Teller } from "./teller.ts";

const pauses = { firstMs: 1_000, longestMs: 30_000 };

export async function takeRequests(
  { door, log, sleep, random }: UpdaterParts,
  teller: Teller,
  onRequest: (request: UpdateRequest) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let failures = 0; !signal.aborted; ) {
    try {
      const request = await door.wait(teller.report());
      failures = 0;
      if (request && !signal.aborted) onRequest(request);
    } catch (error) {
      log.debug(`no request: ${describeError(error)}`);
      await sleep(backoffMs(pauses, failures++, random()));
    }
  }
}
