// What every order of an operator has in common: a number, and the root's certificate for the key that signed it.
import { z } from "zod";
import { EpochMs, Id, Jws } from "./fields.ts";
import { type DocumentType, digestOf, readUnverified, sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import type { NeighborhoodKeys } from "./neighborhood-keys.ts";
import { type OperatorCertificate, operatorIdOf, verifyOperator } from "./operator.ts";
import { Refusal } from "./refusal.ts";
import type { Revocations } from "./revocation.ts";

/** Room below 2^53 for what a reader adds to order the documents. */
export const maxNumber = 2 ** 40;

export const orderFields = {
  v: z.literal(1),
  neighborhood: Id,
  operator: Id.describe("the id of the key that signed this"),
  certificate: Jws.max(2_048).exactOptional().describe("the root's for that key; may be left out if it is known"),
  number: z.int().min(1).max(maxNumber).describe("one more than the newest about the same thing"),
  issuedAt: EpochMs,
};
const OrderFields = z.strictObject(orderFields);
export type OrderFields = z.infer<typeof OrderFields>;
export const Reason = z
  .string()
  .min(1)
  .max(120)
  .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$/u, "is not one printable line");

/** Who may give orders. `known`: certificates by the id of their key. */
export type Authority = {
  neighborhood: NeighborhoodKeys;
  revocations: Revocations;
  known: ReadonlyMap<string, OperatorCertificate>;
};

/** A verified order. `digest` names its bytes. */
export type Signed<Content> = { content: Content; operator: OperatorCertificate; jws: string; digest: string };

/** An operator, and the certificate that travels with what it signs. */
export type Operator = { key: SigningKey; certificate: string };
export const signatureOf = (neighborhood: string, { key, certificate }: Operator) => ({
  v: 1 as const,
  neighborhood,
  operator: operatorIdOf(key.publicKey),
  certificate,
});

export const signOrder = (typ: DocumentType, content: OrderFields, key: SigningKey): Promise<string> =>
  sign(typ, content, key);

/** Throws `Refusal` unless an operator of this neighborhood signed it, certified and not revoked, or the root named it when it revoked them. */
export async function verifyOrder<T extends z.ZodType<OrderFields>>(
  typ: DocumentType,
  jws: string,
  schema: T,
  { neighborhood, revocations, known }: Authority,
): Promise<Signed<z.infer<T>>> {
  const claimed = readUnverified(typ, jws, schema);
  if (claimed.neighborhood !== neighborhood.id)
    throw new Refusal("wrongNeighborhood", "an order for another neighborhood");
  const digest = digestOf(jws);
  const counting = revocations.stopped.has(digest) ? { ...revocations, operators: new Set<string>() } : revocations;
  const operator =
    claimed.certificate === undefined
      ? known.get(claimed.operator)
      : await verifyOperator(claimed.certificate, neighborhood, counting);
  if (!operator) throw new Refusal("operatorUnknown", `no certificate of operator ${claimed.operator} is known`);
  if (operatorIdOf(operator.key) !== claimed.operator)
    throw new Refusal("idMismatch", "the certificate is for another operator's key");
  const content = await verify(typ, jws, operator.key, schema);
  if (counting.operators.has(operator.key)) throw new Refusal("operatorRevoked", "this operator key is revoked");
  return { content, operator, jws, digest };
}
