// Hello, in two steps by plain HTTP. First a question with a nonce: the answerer, which announced itself, proves that it knows the
// neighborhood's id. Then the asker seals its record for that answerer and that nonce, which proves the same, and gets a sealed answer.
// A stranger learns nothing from either side, and a hello that is said again to anybody counts for nothing.
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { Admission } from "../../provisioning/trust/admission.ts";
import { DeviceName, Digest, Id, Jws } from "../../provisioning/trust/fields.ts";
import { HamletError } from "../../system/error.ts";
import { explainIssues } from "../../system/files.ts";
import { enclose } from "./envelope.ts";
import { post } from "./post.ts";
import { isProof, seal, type Talk, unseal } from "./seal.ts";

export const maxKnown = 256;

// Unknown keys are dropped, not refused: a later release may say more.
export const Hello = z.object({
  record: Jws,
  presence: z.string().length(86).describe("the device's signature over this talk: it is here, and nobody repeats it"),
  known: z.array(Digest).max(maxKnown).describe("the revocations that the sender knows"),
  revocations: z.array(Jws).max(256).describe("those that the other lacks"),
  admission: Admission.optional().describe("the sender's word for the other"),
  called: DeviceName.optional().describe("how the sender knows the other, if that has another name"),
});
export type Hello = z.infer<typeof Hello>;

const Nonce = z.string().regex(/^[\w-]{22,43}$/);
const Sealed = z.string().regex(/^[\w-]+$/);
export const Question = z.object({ id: Id, nonce: Nonce });
export const Proof = z.object({ id: Id, nonce: Nonce, proof: z.string().length(43) });
export const Said = z.object({ id: Id, nonce: Nonce, answererNonce: Nonce, sealed: Sealed });
export const Answered = z.object({ sealed: Sealed });
/** The answer to a record that is refused. Sealed like any answer, so that no stranger can give it. */
export const Refused = z.object({ refused: z.enum(["pending", "refused"]), because: z.string().max(300) });
const Reply = z.union([Hello, Refused]);

export type Place = {
  /** Perhaps with %scope. */
  address: string;
  port: number;
  /** The key that a seed names: in base64url. */
  wireguardKey?: string | undefined;
};
export type Speaker = { id: string; neighborhood: string };
type Options = { timeoutMs?: number };

/**
 * Says hello there and resolves to the answer. Throws `device.noAnswer` if none came in time, `hello.refused` with the reason that was
 * given, or if the answerer does not know this neighborhood, `hello.pending` if this device waits for adoption there, `hello.invalid` if
 * the answer is no hello.
 */
export async function sayHello(
  place: Place,
  { id, neighborhood }: Speaker,
  helloIn: (talk: Talk) => Hello,
  options: Options = {},
): Promise<{ hello: Hello; talk: Talk }> {
  const question = { id, nonce: randomBytes(16).toString("base64url") };
  const proof = parse(Proof, await ask(place, question, options), place);
  const { nonce: answererNonce, id: answerer } = proof;
  const talk: Talk = { neighborhood, asker: id, askerNonce: question.nonce, answerer, answererNonce };
  if (!isProof(talk, proof.proof)) {
    throw new HamletError("hello.refused", `${place.address} does not know this neighborhood`);
  }
  const said = { ...question, answererNonce, sealed: seal(talk, "asker", helloIn(talk)) };
  const { sealed } = parse(Answered, await ask(place, said, options), place);
  const reply = parse(Reply, unseal(talk, "answerer", sealed), place);
  if ("record" in reply) return { hello: reply, talk };
  throw new HamletError(`hello.${reply.refused}`, `${place.address} did not answer our hello: ${reply.because}`);
}

async function ask(place: Place, message: unknown, { timeoutMs = 5_000 }: Options): Promise<unknown> {
  if (place.wireguardKey === undefined) return await post(place, message, timeoutMs);
  const { envelope, open } = await enclose(message, place.wireguardKey);
  return await open(await post(place, envelope, timeoutMs));
}

function parse<T extends z.ZodType>(schema: T, answer: unknown, { address }: Place): z.infer<T> {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new HamletError("hello.invalid", `${address} sent an answer that is no hello: ${explainIssues(parsed.error)}`);
}
