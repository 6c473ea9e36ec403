// The device's side of a question of its owner: gives out a nonce to anybody, and answers whom the root has signed a question for it.
import { randomBytes } from "node:crypto";
import { signAnswer } from "../../provisioning/trust/answer.ts";
import { SignedQuestion, verifyQuestion } from "../../provisioning/trust/question.ts";
import { Refusal } from "../../provisioning/trust/refusal.ts";
import type { Revocations } from "../../provisioning/trust/revocation.ts";
import { boxKeyOf, openBox, sealTo } from "../../provisioning/trust/sealed-box.ts";
import { sourceOf } from "../../system/address.ts";
import type { Clock } from "../../system/clock.ts";
import { HamletError } from "../../system/error.ts";
import { explainIssues } from "../../system/files.ts";
import type { Answer } from "../api/answers.ts";
import { Boxed, NonceAsked } from "../api/questions.ts";
import type { Identity } from "../identity.ts";
import { Nonces } from "./nonces.ts";

/** Opens what is sealed to this device. Throws `Refusal`. */
export type Unseal = (box: string) => Promise<unknown>;
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
    if (wanted.success) return { nonce: nonces.give(source, wanted.data.replyKey, clock.monotonic()) };
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

/** `wireguardKey`: private, in standard base64. */
export function makeUnseal(wireguardKey: string): Unseal {
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
