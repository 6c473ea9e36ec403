// An admission: a member's signed word that it let a device in while its token was valid. With it the device is accepted at any date.
import { z } from "zod";
import { Id, TokenId } from "./fields.ts";
import { readUnverified, sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import { type DeviceId, deviceIdOf, type NeighborhoodId } from "./names.ts";
import { Refusal } from "./refusal.ts";

export const Admission = z.object({ neighborhood: Id, device: Id, token: TokenId, by: Id });
export type Admission = z.infer<typeof Admission>;

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
    // Nobody admits itself.
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
