// Operator keys, certified by the root: they sign rollouts, holds and questions, but nothing about membership.
import { z } from "zod";
import { EpochMs, Id, Label, PublicKey } from "./fields.ts";
import { sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import { deviceIdOf } from "./names.ts";
import type { NeighborhoodKeys } from "./neighborhood-keys.ts";
import { Refusal } from "./refusal.ts";
import type { Revocations } from "./revocation.ts";

export const OperatorCertificate = z.object({
  v: z.literal(1),
  neighborhood: Id,
  key: PublicKey,
  name: Label,
  issuedAt: EpochMs,
});
export type OperatorCertificate = z.infer<typeof OperatorCertificate>;

/** By which orders name the key: the first 16 bytes of its hash, like the id of a device. */
export const operatorIdOf = (publicKey: string): string => deviceIdOf(publicKey);

export const signOperator = (certificate: OperatorCertificate, root: SigningKey): Promise<string> =>
  sign("hamlet-operator", certificate, root);

/** Throws `Refusal` unless the present root certified this key here and has not revoked it since. */
export async function verifyOperator(
  jws: string,
  keys: NeighborhoodKeys,
  revocations: Revocations,
): Promise<OperatorCertificate> {
  const certificate = await verify("hamlet-operator", jws, keys.rootKey, OperatorCertificate);
  if (certificate.neighborhood !== keys.id)
    throw new Refusal("wrongNeighborhood", "an operator of another neighborhood");
  if (revocations.operators.has(certificate.key)) throw new Refusal("operatorRevoked", "this operator key is revoked");
  return certificate;
}
