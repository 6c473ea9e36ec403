// The join token: an Ed25519 key and the root's certificate for it. The key is a secret, because its holder may join until the certificate
// expires. The certificate alone is public, and is part of every member's record.
import { z } from "zod";
import { EpochMs, Id, PublicKey, Tag, TokenId } from "./fields.ts";
import { sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import type { NeighborhoodKeys } from "./neighborhood-keys.ts";
import { Refusal } from "./refusal.ts";

export const TokenCertificate = z.object({
  v: z.literal(1),
  neighborhood: Id,
  id: TokenId,
  key: PublicKey.describe("the token's public key, which verifies member certificates"),
  issuedAt: EpochMs,
  notAfter: EpochMs.describe("end of admission; members stay members"),
  maxDevices: z.int().min(1).max(10_000),
  tags: z.array(Tag).max(8),
  adopt: z.enum(["auto", "confirm"]),
  revocation: z.int().min(0).describe("number of the newest revocation when the token was issued"),
});
export type TokenCertificate = z.infer<typeof TokenCertificate>;

export const signToken = (certificate: TokenCertificate, root: SigningKey): Promise<string> =>
  sign("hamlet-token", certificate, root);

/** `byFormerRoot`: a root that has been replaced since signed it. */
export type VerifiedToken = { certificate: TokenCertificate; byFormerRoot: boolean };

/** Throws `Refusal`, `tokenForged` if no root of this neighborhood signed it. Judges no date. */
export async function verifyToken(jws: string, keys: NeighborhoodKeys): Promise<VerifiedToken> {
  const roots = [keys.rootKey, ...(keys.formerRoots ?? [])];
  for (const [index, root] of roots.entries()) {
    const certificate = await verify("hamlet-token", jws, root, TokenCertificate).catch((error: unknown) => {
      if (error instanceof Refusal && error.refusal === "badSignature") return undefined;
      throw error;
    });
    if (!certificate) continue;
    if (certificate.neighborhood !== keys.id) throw new Refusal("wrongNeighborhood", "a token of another neighborhood");
    return { certificate, byFormerRoot: index > 0 };
  }
  throw new Refusal("tokenForged", "the root of this neighborhood did not sign this token");
}

/** `7d`, `12h` or `30m` in ms; undefined for any other text. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = /^([1-9][0-9]{0,4})([dhm])$/.exec(text) ?? [];
  const unitMs = { d: 86_400_000, h: 3_600_000, m: 60_000 };
  return count && unit ? Number(count) * unitMs[unit as keyof typeof unitMs] : undefined;
}
