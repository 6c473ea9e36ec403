// A device on the link as its owner's computer meets it: its public page names its key, which only what it says by that key confirms.
import { SignedAnswer, verifyAnswer } from "../../provisioning/trust/answer.ts";
import { deviceIdOf } from "../../provisioning/trust/names.ts";
import type { NeighborhoodKeys } from "../../provisioning/trust/neighborhood-keys.ts";
import { isNonceProof } from "../../provisioning/trust/nonce-proof.ts";
import type { Revocations } from "../../provisioning/trust/revocation.ts";
import { type BoxKey, generateBoxKey, openBox } from "../../provisioning/trust/sealed-box.ts";
import type { Clock } from "../../system/clock.ts";
import type { Patience } from "./client.ts";
import { noAnswer, notOfNeighborhood, otherVersion } from "./errors.ts";
import type { ordersPath } from "./orders.ts";
import { Boxed, NonceGiven, questionsPath } from "./questions.ts";

export type AskedDevice = {
  /** The name of the device in messages. */
  who: string;
  /** As its public page shows it: what is sealed to it no other can read. */
  deviceKey: string;
  /** Posts to the device; resolves to the body of an answer 200, and throws the device's refusal. */
  post(path: typeof questionsPath | typeof ordersPath, body: object, patience?: Patience): Promise<unknown>;
  neighborhood: NeighborhoodKeys;
  revocations: Revocations;
  clock: Pick<Clock, "now">;
};

/** Before anything is sealed to the device's key: what is in it names the neighborhood's id. Throws `device.noAnswer`. */
export async function meet({ who, deviceKey, post, neighborhood }: AskedDevice) {
  const reply = generateBoxKey();
  const given = NonceGiven.safeParse(await post(questionsPath, { replyKey: reply.publicKey }));
  if (!given.success) throw otherVersion("it gives out no nonce, or proves nothing by it");
  const { nonce, proof } = given.data;
  if (!isNonceProof(neighborhood.id, { replyKey: reply.publicKey, nonce, deviceKey }, proof)) {
    throw notOfNeighborhood(who);
  }
  return { nonce, reply };
}

/** What the device says to what was sealed to it. Throws `device.noAnswer` or `document.refused` unless that very device says it. */
export async function readSealed(
  { who, deviceKey, neighborhood, revocations, clock }: AskedDevice,
  body: unknown,
  { to, reply }: { to: string; reply: BoxKey },
): Promise<string> {
  const boxed = Boxed.safeParse(body);
  const inside = boxed.success ? await openBox(boxed.data.box, reply.privateKey).catch(() => undefined) : undefined;
  const answer = SignedAnswer.safeParse(inside);
  if (!answer.success) throw noAnswer(who, "answers with something that is not sealed to this computer");
  const trust = {
    ...{ neighborhood, revocations, now: clock.now(), members: new Map(), bases: new Map() },
    ...{ knowsNobody: true, admittedByToken: new Map() },
  };
  return await verifyAnswer(answer.data, { question: to, device: deviceIdOf(deviceKey), trust });
}
