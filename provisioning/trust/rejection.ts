// A rejection: the root turns away one device that waits, named by its full key, for a day. It puts no member out: that is a revocation.
import { z } from "zod";
import { EpochMs, Id, PublicKey } from "./fields.ts";
import { sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import type { NeighborhoodKeys } from "./neighborhood-keys.ts";
import { Refusal } from "./refusal.ts";

export const Rejection = z.object({ v: z.literal(1), neighborhood: Id, deviceKey: PublicKey, issuedAt: EpochMs });
export type Rejection = z.infer<typeof Rejection>;

const rejectedForMs = 86_400_000;

/** `nowMs` is never earlier than a date that the root has signed. */
export const isRejectedAt = ({ issuedAt }: Rejection, nowMs: number): boolean => nowMs < issuedAt + rejectedForMs;

export const signRejection = (rejection: Rejection, root: SigningKey): Promise<string> =>
  sign("hamlet-rejection", rejection, root);

/** Throws `Refusal` unless the present root signed it for this neighborhood. */
export async function verifyRejection(jws: string, keys: NeighborhoodKeys): Promise<Rejection> {
  const rejection = await verify("hamlet-rejection", jws, keys.rootKey, Rejection);
  if (rejection.neighborhood !== keys.id) throw new Refusal("wrongNeighborhood", "a rejection by another neighborhood");
  return rejection;
}
