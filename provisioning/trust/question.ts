// A question of the owner's computer, which is no member, to one device: signed by the root or by an operator key. It counts once, because
// it names a nonce that the device gave out, and it names the key that the answer is sealed to.
// Pure.
import { z } from "zod";
import { EpochMs, Id, Jws, PublicKey } from "./fields.ts";
import { sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import type { NeighborhoodKeys } from "./neighborhood-keys.ts";
import { verifyOperator } from "./operator.ts";
import { Refusal } from "./refusal.ts";
import type { Revocations } from "./revocation.ts";

/** No question says more than a few words. */
const maxQuestionChars = 4 << 10;

export const Question = z.object({
  v: z.literal(1),
  neighborhood: Id,
  device: Id.describe("the one that is asked, and no other"),
  nonce: z.string().regex(/^[\w-]{16,64}$/, "is not a nonce"),
  replyKey: PublicKey.describe("X25519, made for this question: the answer is sealed to it"),
  issuedAt: EpochMs,
  kind: z.string().regex(/^[a-zA-Z]{1,32}$/, "is not a kind of question"),
  with: z.record(z.string(), z.unknown()).optional().describe("what the kind takes"),
});
export type Question = z.infer<typeof Question>;

/** What a device is handed: the question and, unless the root itself asks, the certificate of the operator key. */
export const SignedQuestion = z.strictObject({ question: Jws, certificate: Jws.optional() });
export type SignedQuestion = z.infer<typeof SignedQuestion>;

/** Who asks: the root, or an operator key with its certificate. */
export type Asker = { key: SigningKey; certificate?: string };

export async function signQuestion(question: Question, { key, certificate }: Asker): Promise<SignedQuestion> {
  return { question: await sign("hamlet-question", question, key), ...(certificate !== undefined && { certificate }) };
}

export type Asked = {
  /** The device that has to answer. */
  device: string;
  neighborhood: NeighborhoodKeys;
  revocations: Revocations;
  /** Whether the device gave this nonce to whoever asks, for this key, just now. True only once for each. */
  spend(nonce: string, replyKey: string): boolean;
};

/** Throws `Refusal` unless this neighborhood's root, or an operator of it, asks this device now. */
export async function verifyQuestion({ question: jws, certificate }: SignedQuestion, asked: Asked): Promise<Question> {
  if (jws.length > maxQuestionChars) throw new Refusal("tooLarge", `a question of ${jws.length} characters`);
  const { neighborhood, revocations, device, spend } = asked;
  const operator = certificate === undefined ? undefined : await verifyOperator(certificate, neighborhood, revocations);
  const question = await verify("hamlet-question", jws, operator?.key ?? neighborhood.rootKey, Question);
  if (question.neighborhood !== neighborhood.id)
    throw new Refusal("wrongNeighborhood", "a question about another neighborhood");
  if (question.device !== device) throw new Refusal("wrongDevice", "a question to another device");
  // Last, because it counts: nobody else can spend it.
  if (!spend(question.nonce, question.replyKey)) {
    throw new Refusal("staleNonce", "this device did not give out the question's nonce just now, or has answered it");
  }
  return question;
}
