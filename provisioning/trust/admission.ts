// An admission: a member's signed word that it let a device in while its token was valid. With it the device is accepted at any date.
import { z } from "zod";
import { attached, sign, signatureOf, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import { type DeviceId, deviceIdOf, type NeighborhoodId } from "./names.ts";
import { Refusal } from "./refusal.ts";

/** The member's id and its signature. What it signs follows from the record that carries it, so nobody can make one longer. */
export const Admission = z.string().regex(/^[a-z2-7]{26}\.[\w-]{86}$/, "is not an admission");
export type Admitted = { neighborhood: NeighborhoodId; device: DeviceId; token: string };

const contentOf = ({ neighborhood, device, token }: Admitted, by: DeviceId) => ({ neighborhood, device, token, by });

export async function signAdmission(admitted: Admitted, member: SigningKey): Promise<string> {
  const by = deviceIdOf(member.publicKey);
  return `${by}.${signatureOf(await sign("hamlet-admission", contentOf(admitted, by), member))}`;
}

/** The id of the member that is said to have signed it. */
export const voucherOf = (admission: string): DeviceId => admission.slice(0, 26);

/** The id of the known member that signed this admission of `wanted`, or undefined if none did. */
export async function admittedBy(
  admission: string,
  wanted: Admitted,
  members: ReadonlyMap<DeviceId, string>,
): Promise<DeviceId | undefined> {
  const by = voucherOf(admission);
  const memberKey = members.get(by);
  // Nobody admits itself.
  if (memberKey === undefined || by === wanted.device) return undefined;
  try {
    const jws = attached("hamlet-admission", contentOf(wanted, by), admission.slice(27));
    await verify("hamlet-admission", jws, memberKey, z.unknown());
    return by;
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}
