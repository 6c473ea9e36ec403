// What the owner signs about who is in: adoptions, rejections, and revocations, which the folder numbers and keeps, because every later token and
// card carries them.
import { signAdoption } from "../trust/adoption.ts";
import { signRejection } from "../trust/rejection.ts";
import { addRevocation, nextNumber, type Revocation, signRevocation } from "../trust/revocation.ts";
import { changeNeighborhood, type Neighborhood, type OpenNeighborhood } from "./neighborhood.ts";

/** The document that lets this one device in, whatever its token says. Devices keep it; the folder does not need it. */
export function adopt({ keys, root, revocations }: OpenNeighborhood, deviceKey: string, now: number): Promise<string> {
  // A folder that was restored from paper does not know all revocations; the owner adopts the device in spite of them.
  const revocation = Math.max(revocations.number, now);
  return signAdoption({ v: 1, neighborhood: keys.id, deviceKey, issuedAt: now, revocation }, root);
}

/** The document that turns this one device away for a day. */
export const reject = ({ keys, root }: OpenNeighborhood, deviceKey: string, now: number): Promise<string> =>
  signRejection({ v: 1, neighborhood: keys.id, deviceKey, issuedAt: now }, root);

/**
 * Signs the next revocation and keeps it in the folder before anybody sees it: a number must never be given twice. Throws
 * `neighborhood.busy`.
 */
export const revoke = (
  { folder, root }: OpenNeighborhood,
  revoked: Revocation["revoke"],
  now: number,
): Promise<Neighborhood> =>
  changeNeighborhood(folder, async ({ file, keys, revocations }) => {
    const number = nextNumber(revocations, now);
    const jws = await signRevocation({ v: 1, neighborhood: keys.id, number, issuedAt: now, revoke: revoked }, root);
    // As every device will read it: what none would accept must not be kept.
    await addRevocation(revocations, jws, keys);
    return { ...file, revocations: [...file.revocations, jws] };
  });
