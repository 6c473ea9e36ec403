// The device's side of a question of its owner: gives out a nonce to anybody, and answers whom the root has signed a question for it.
// Orders that are sealed to it get a receipt that it has signed.
import { randomBytes } from "node:crypto";
import type { z } from "zod";
import { signAnswer } from "../../provisioning/trust/answer.ts";
import { nonceProof } from "../../provisioning/trust/nonce-proof.ts";
import { SignedQuestion, verifyQuestion } from "../../provisioning/trust/question.ts";
import { Refusal } from "../../provisioning/trust/refusal.ts";
import type { Revocations } from "../../provisioning/trust/revocation.ts";
import { boxKeyOf, openBox, sealTo } from "../../provisioning/trust/sealed-box.ts";
import { sourceOf } from "../../system/address.ts";
import type { Clock } from "../../system/clock.ts";
import { HamletError } from "../../system/error.ts";
import { explainIssues } from "../../system/files.ts";
import type { Answer } from "../api/answers.ts";
import { type OrdersTaken, SealedOrders } from "../api/orders.ts";
import { Boxed, NonceAsked } from "../api/questions.ts";
import type { Identity } from "../identity.ts";
import type { TakeOrders } from "../membership/orders.ts";
import { Nonces } from "./nonces.ts";

/** Opens what is sealed to this device. Throws `Refusal`. */
type Unseal = (box: string) => Promise<unknown>;
/** Takes orders in and signs a receipt for them. Throws `Refusal`, and what taking them in throws. */
export type TakeSealedOrders = (box: string) => Promise<z.infer<typeof Boxed>>;
/** Takes in what came to the door from `address`. Throws `hello.invalid`, or `Refusal` with nothing done. */
export type TakeQuestion = (body: unknown, address: string) => Promise<object>;

export type AnsweringOptions = {
  identity: Pick<Identity, "id" | "key" | "jws" | "neighborhood" | "wireguard">;
  revocations(): Revocations;
  answer: Answer;
  clock: Pick<Clock, "monotonic">;
};

export function makeAnswering({ identity, revocations, answer, clock }: AnsweringOptions): TakeQuestion {
  const nonces = new Nonces(randomBytes(32));
  const unseal = makeUnseal(identity.wireguard.privateKey);

  return async (body, address) => {
    const source = sourceOf(address).key;
    const wanted = NonceAsked.safeParse(body);
    if (wanted.success) {
      const { replyKey } = wanted.data;
      const nonce = nonces.give(source, replyKey, clock.monotonic());
      const gift = { replyKey, nonce, deviceKey: identity.key.publicKey };
      return { nonce, proof: nonceProof(identity.neighborhood.id, gift) };
    }
    const signed = await signedIn(body, unseal);
    const { kind, replyKey, ...question } = await verifyQuestion(signed, {
      ...{ device: identity.id, neighborhood: identity.neighborhood, revocations: revocations() },
      spend(nonce, to) {
        const now = clock.monotonic();
        const isFresh = nonces.isFresh(nonce, source, to, now);
        if (isFresh) nonces.use(nonce, now);
        return isFresh;
      },
    });
    const text = JSON.stringify(await answer(kind, question.with ?? {}, signed));
    return { box: await sealTo(replyKey, signAnswer(text, identity.jws, signed.question, identity.key)) };
  };
}

export function makeSealedOrders(
  identity: Pick<Identity, "key" | "jws" | "wireguard">,
  order: TakeOrders,
): TakeSealedOrders {
  const unseal = makeUnseal(identity.wireguard.privateKey);
  return async (box) => {
    const orders = SealedOrders.safeParse(await unseal(box));
    if (!orders.success) throw new Refusal("badContent", `these are no orders: ${explainIssues(orders.error)}`);
    const { documents, replyKey } = orders.data;
    const text = JSON.stringify({ taken: await order(documents) } satisfies OrdersTaken);
    return { box: await sealTo(replyKey, signAnswer(text, identity.jws, box, identity.key)) };
  };
}

/** `wireguardKey`: private, in standard base64. */
function makeUnseal(wireguardKey: string): Unseal {
  const own = boxKeyOf(wireguardKey);
  return (box) =>
    openBox(box, own).catch((cause: unknown) => {
      throw new Refusal("wrongDevice", "this is not sealed to this device", cause);
    });
}

async function signedIn(body: unknown, unseal: Unseal): Promise<SignedQuestion> {
  const boxed = Boxed.safeParse(body);
  if (!boxed.success) throw new HamletError("hello.invalid", explainIssues(boxed.error).slice(0, 300));
  const signed = SignedQuestion.safeParse(await unseal(boxed.data.box));
  if (!signed.success) throw new Refusal("badContent", `this is no question: ${explainIssues(signed.error)}`);
  return signed.data;
}
