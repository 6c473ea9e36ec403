// Asks members to be witnesses for this device. What they answer is checked by whoever asked for it (ota/updater/witnesses.ts).
import { maxWitnesses } from "../../provisioning/handover/update.ts";
import { sleep } from "../../system/clock.ts";
import { jsonIn } from "./json.ts";
import { WitnessAnswer, type WitnessRequest } from "./request.ts";

export type AskOptions = {
  nonce: string;
  members: readonly { id: string; key: string }[];
  /** The answer of a member, which may be of a release without witnesses. */
  ask(member: string, body: string): Promise<Uint8Array>;
  withinMs?: number;
};

/** The updater gives its agent ten seconds for all of its evidence. */
const usualMs = 5_000;

/** The statements that came in time. */
export async function askWitnesses({ nonce, members, ask, withinMs = usualMs }: AskOptions): Promise<string[]> {
  const body = JSON.stringify({ v: 1, nonce } satisfies typeof WitnessRequest._output);
  const statements: string[] = [];
  const over = new AbortController();
  const asked = members.slice(0, maxWitnesses).map(async ({ id }) => {
    const answer = WitnessAnswer.safeParse(jsonIn(await ask(id, body)));
    if (answer.success && !over.signal.aborted) statements.push(answer.data.statement);
  });
  await Promise.race([Promise.allSettled(asked), sleep(withinMs, over.signal).catch(() => {})]);
  over.abort();
  return statements;
}
