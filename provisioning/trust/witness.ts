// A witness statement: what a member sees itself of another one that has a release on trial. Releases of different age exchange it, so its
// meaning is fixed: a later release may add fields, which an earlier one passes over.
import { z } from "zod";
import { Id } from "./fields.ts";
import { sign, verifyAtOnce } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import { Refusal } from "./refusal.ts";

export const maxWitnessChars = 2 << 10;
/** 16 random bytes in base64url, of whoever judges the trial. */
export const WitnessNonce = z.string().regex(/^[\w-]{22}$/, "is not a nonce");
const BootId = z.string().regex(/^[0-9A-Za-z-]{1,64}$/, "is not a boot id");

export const WitnessStatement = z.object({
  v: z.literal(1),
  by: Id.describe("the witness"),
  device: Id.describe("of which it speaks"),
  nonce: WitnessNonce,
  handshakeS: z
    .int()
    .min(0)
    .max(2 ** 40)
    .exactOptional()
    .describe("seconds since the last WireGuard handshake with the device; absent: there was none"),
  gossip: BootId.exactOptional().describe("the device's boot, if gossip says that it is alive"),
  connection: BootId.exactOptional().describe(
    "the device's boot, as it said itself on a connection that the witness opened over the mesh",
  ),
  duties: z
    .array(z.string().max(32))
    .max(16)
    .describe("what the witness has the device do for it, such as relay; none yet"),
});
export type WitnessStatement = z.infer<typeof WitnessStatement>;

export const signStatement = (statement: WitnessStatement, witness: SigningKey): Promise<string> =>
  sign("hamlet-witness", statement, witness);

/** What the witness `by` with the device key `key` says of `device` in answer to `nonce`. Throws `Refusal`. */
export function verifyStatement(
  jws: string,
  { by, key, device, nonce }: { by: string; key: string; device: string; nonce: string },
): WitnessStatement {
  if (jws.length > maxWitnessChars) throw new Refusal("tooLarge", `a statement of ${jws.length} characters`);
  const statement = verifyAtOnce("hamlet-witness", jws, key, WitnessStatement);
  if (statement.by !== by) throw new Refusal("idMismatch", "the statement names another witness than signed it");
  if (statement.device !== device) throw new Refusal("wrongDevice", "the statement is about another device");
  if (statement.nonce !== nonce) throw new Refusal("staleNonce", "the statement answers another question");
  return statement;
}
