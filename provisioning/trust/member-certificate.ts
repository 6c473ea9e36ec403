// The member certificate: a device signs its own key with the token's key, so that the first device needs no other one. A copy of a device
// that took a new key signs it with the old one, for the token's is gone: that shows where it comes from, and admits it nowhere.
import { z } from "zod";
import { Id, Jws, PublicKey, TokenId } from "./fields.ts";
import { sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import { Refusal } from "./refusal.ts";

export const MemberCertificate = z.object({ neighborhood: Id, token: TokenId, deviceKey: PublicKey });
export type MemberCertificate = z.infer<typeof MemberCertificate>;

export const signMemberCertificate = (certificate: MemberCertificate, tokenKey: SigningKey): Promise<string> =>
  sign("hamlet-member", certificate, tokenKey);

export const Origin = z
  .object({ deviceKey: PublicKey, member: Jws })
  .describe("the device of which this one was a copy");
export type Membership = { member: string; origin?: z.infer<typeof Origin> | undefined };

/** Throws `Refusal` `memberForged` unless the token's key signed exactly `wanted`, or the key of an origin that it did sign. */
export async function verifyMembership(
  { member, origin }: Membership,
  tokenKey: string,
  wanted: MemberCertificate,
): Promise<void> {
  if (origin) await verifyMemberCertificate(origin.member, tokenKey, { ...wanted, deviceKey: origin.deviceKey });
  await verifyMemberCertificate(member, origin?.deviceKey ?? tokenKey, wanted);
}

/** Throws `Refusal` `memberForged` unless `tokenKey` signed exactly `wanted`. */
export async function verifyMemberCertificate(jws: string, tokenKey: string, wanted: MemberCertificate): Promise<void> {
  const found = await verify("hamlet-member", jws, tokenKey, MemberCertificate).catch((cause: unknown) => {
    throw new Refusal("memberForged", "the member certificate is not valid", cause);
  });
  if (
    found.deviceKey !== wanted.deviceKey ||
    found.token !== wanted.token ||
    found.neighborhood !== wanted.neighborhood
  ) {
    throw new Refusal("memberForged", "the member certificate is for another device or token");
  }
}
