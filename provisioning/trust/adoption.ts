// An adoption: the root admits one device, named by its full key, whatever the device's token says.
import { z } from "zod";
import { EpochMs, Id, PublicKey } from "./fields.ts";
import { sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import type { NeighborhoodKeys } from "./neighborhood-keys.ts";
import { Refusal } from "./refusal.ts";

export const Adoption = z.object({
  v: z.literal(1),
  neighborhood: Id,
  deviceKey: PublicKey,
  issuedAt: EpochMs,
  revocation: z
    .int()
    .min(0)
    .describe(
      "overrules revocations of the device's token up to this number: the newest that the owner knew, or the time in ms",
    ),
});
export type Adoption = z.infer<typeof Adoption>;

export const signAdoption = (adoption: Adoption, root: SigningKey): Promise<string> =>
  sign("hamlet-adoption", adoption, root);

/** Throws `Refusal` unless the present root signed it for this neighborhood. */
export async function verifyAdoption(jws: string, keys: NeighborhoodKeys): Promise<Adoption> {
  const adoption = await verify("hamlet-adoption", jws, keys.rootKey, Adoption);
  if (adoption.neighborhood !== keys.id) throw new Refusal("wrongNeighborhood", "an adoption of another neighborhood");
  return adoption;
}
