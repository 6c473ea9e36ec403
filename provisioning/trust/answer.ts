// A device's answer to a question: signed by its key over the question, with its record, which proves that the owner has let it in.
// Pure.
import { createHash } from "node:crypto";
import { z } from "zod";
import { Jws } from "./fields.ts";
import { judgeRecord, type Trust } from "./judge.ts";
import { digestOf, signedBy, signPart } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import { Refusal } from "./refusal.ts";

export const SignedAnswer = z.object({ text: z.string(), record: Jws, signature: z.string() });
export type SignedAnswer = z.infer<typeof SignedAnswer>;

/** An answer may be longer than any document, so its hash is signed. */
const saidIn = (text: string, question: string) => ({
  v: 1,
  question: digestOf(question),
  text: createHash("sha256").update(text).digest("base64url"),
});

export const signAnswer = (text: string, record: string, question: string, key: SigningKey): SignedAnswer => ({
  ...{ text, record },
  signature: signPart("hamlet-answer", saidIn(text, question), key),
});

/** The text of an answer to this question. Throws `Refusal` unless the device that was asked gave it, and belongs to the neighborhood. */
export async function verifyAnswer(
  { text, record, signature }: SignedAnswer,
  { question, device, trust }: { question: string; device: string; trust: Trust },
): Promise<string> {
  const judgement = await judgeRecord(record, trust);
  if (judgement.kind === "refused") throw new Refusal(judgement.because, judgement.detail);
  const { id, deviceKey } = judgement.record;
  if (id !== device) throw new Refusal("wrongDevice", "another device answered");
  if (!signedBy("hamlet-answer", saidIn(text, question), signature, deviceKey))
    throw new Refusal("badSignature", "the device that was asked did not sign this answer");
  return text;
}
