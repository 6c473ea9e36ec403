// A comeback: the word of a device that was forgotten and has heard of it. It names the forget by its digest, so that nobody can have it
// before the forget was signed, whatever any clock says, and it ends that one alone.
import { z } from "zod";
import { Id, PublicKey } from "./fields.ts";
import { readUnverified, sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import { type DeviceId, deviceIdOf } from "./names.ts";
import { Refusal } from "./refusal.ts";

export const Comeback = z.strictObject({
  v: z.literal(1),
  neighborhood: Id,
  deviceKey: PublicKey,
  forget: z.string().regex(/^[\w-]{43}$/, "is not a digest"),
});
export type Comeback = z.infer<typeof Comeback>;
export const maxComebackChars = 1 << 10;

export const signComeback = (neighborhood: string, forget: string, device: SigningKey): Promise<string> =>
  sign("hamlet-comeback", { v: 1, neighborhood, deviceKey: device.publicKey, forget } satisfies Comeback, device);

/** Throws `Refusal` unless the device that it is about signed it. */
export async function verifyComeback(jws: string, neighborhood: string): Promise<Comeback & { device: DeviceId }> {
  const { deviceKey } = readUnverified("hamlet-comeback", jws, Comeback);
  const comeback = await verify("hamlet-comeback", jws, deviceKey, Comeback);
  if (comeback.neighborhood !== neighborhood) {
    throw new Refusal("wrongNeighborhood", "a comeback in another neighborhood");
  }
  return { ...comeback, device: deviceIdOf(deviceKey) };
}
