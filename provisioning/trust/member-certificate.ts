// The member certificate: a device signs its own key with the token's key, so that the first device needs no other one.
import { z } from "zod";
import { Id, PublicKey, TokenId } from "./fields.ts";
import { sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import { Refusal } from "./refusal.ts";

export const MemberCertificate = z.object({ neighborhood: Id, token: TokenId, deviceKey: PublicKey });
export type MemberCertificate = z.infer<typeof MemberCertificate>;

export const signMemberCertificate = (certificate: MemberCertificate, tokenKey: SigningKey): Promise<string> =>
  sign("hamlet-member", certificate, tokenKey);

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
