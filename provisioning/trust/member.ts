// Two short certificates that make a device a member: the one it signs itself with the token's key, and the one that
// a member adds when it lets the device in.
import { z } from "zod";
import { Id, PublicKey, TokenId } from "./fields.ts";
import { readUnverified, sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import { type DeviceId, deviceIdOf, type NeighborhoodId } from "./names.ts";
import { Refusal } from "./refusal.ts";

export const MemberCertificate = z.object({ neighborhood: Id, token: TokenId, deviceKey: PublicKey });
export type MemberCertificate = z.infer<typeof MemberCertificate>;

export const signMemberCertificate = (certificate: MemberCertificate, tokenKey: SigningKey): Promise<string> =>
  sign("hamlet-member", certificate, tokenKey);

/** Throws `Refusal` `memberForged` unless `tokenKey` signed exactly `wanted`. */
export async function verifyMemberCertificate(jws: string, tokenKey: string, wanted: MemberCertificate): Promise<void> {
  const found = await verify("hamlet-member", jws, tokenKey, MemberCertificate).catch((cause: unknown) => {
    throw new Refusal("memberForged", "the member certificate does not hold", cause);
  });
  if (
    found.deviceKey !== wanted.deviceKey ||
    found.token !== wanted.token ||
    found.neighborhood !== wanted.neighborhood
  ) {
    throw new Refusal("memberForged", "the member certificate is for another device or token");
  }
}

export const Admission = z.object({ neighborhood: Id, device: Id, token: TokenId, by: Id });
export type Admission = z.infer<typeof Admission>;

/** A member's word that it let `device` in while `token` was valid: with it the device is accepted at any date. */
export const signAdmission = (
  admission: { neighborhood: NeighborhoodId; device: DeviceId; token: string },
  member: SigningKey,
): Promise<string> => sign("hamlet-admission", { ...admission, by: deviceIdOf(member.publicKey) }, member);

/** The id of the known member that signed this admission of `device` by `token`, or undefined if none did. */
export async function admittedBy(
  jws: string,
  wanted: { neighborhood: NeighborhoodId; device: DeviceId; token: string },
  members: ReadonlyMap<DeviceId, string>,
): Promise<DeviceId | undefined> {
  try {
    const claimed = readUnverified("hamlet-admission", jws, Admission);
    const memberKey = members.get(claimed.by);
    // Nobody lets himself in.
    if (memberKey === undefined || claimed.by === wanted.device) return undefined;
    const found = await verify("hamlet-admission", jws, memberKey, Admission);
    const fits =
      found.device === wanted.device && found.token === wanted.token && found.neighborhood === wanted.neighborhood;
    return fits ? found.by : undefined;
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}
