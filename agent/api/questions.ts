// Questions of the owner's computer as they travel, by POST to any device on the link: first for a nonce, then sealed to the device.
// Pure.
import { z } from "zod";
import { PublicKey } from "../../provisioning/trust/fields.ts";
import { SealedBox } from "../../provisioning/trust/sealed-box.ts";
import { ErrorAnswer } from "../../system/http/answer.ts";
import { type RequestPath, requests } from "./schema.ts";

export const questionsPath = "/v1/questions";
/** `replyKey`: as the question will name it, so that the nonce is good for that question alone. */
export const NonceAsked = z.strictObject({ replyKey: PublicKey });
export const NonceGiven = z.object({
  nonce: z.string().max(64),
  proof: z.string().length(43).describe("that the device knows the neighborhood's id"),
});
/** A `SignedQuestion` to the device's WireGuard key, and a `SignedAnswer` to the question's reply key. */
export const Boxed = z.strictObject({ box: SealedBox });
/** The text of an answer, as JSON. */
export const Outcome = z.union([z.strictObject({ answer: z.unknown() }), z.strictObject({ refused: ErrorAnswer })]);
export type Outcome = z.infer<typeof Outcome>;

/** What each kind of question takes. */
export const questions = {
  status: z.strictObject({}),
  updateReport: z.strictObject({}),
  rename: requests["/v1/rename"].body,
  resetNonce: requests["/v1/reset"].body,
  reset: requests["/v1/reset"].body.extend({ nonce: z.string().max(64).optional().describe("root's") }),
  update: requests["/v1/update"].body.refine(({ kind }) => kind !== "install", "needs root on the device"),
} as const;
export type QuestionKind = keyof typeof questions;
export type Taken<Kind extends QuestionKind> = z.infer<(typeof questions)[Kind]>;
export const ResetNonce = z.object({ nonce: z.string().max(64) });
export const isQuestionKind = (kind: string): kind is QuestionKind => Object.hasOwn(questions, kind);

/** The questions that ask for what a request on the device's own socket asks for, with the same words. */
export const questionFor: Partial<Record<RequestPath, QuestionKind>> = {
  "/v1/rename": "rename",
  "/v1/reset": "reset",
  "/v1/update": "update",
};
