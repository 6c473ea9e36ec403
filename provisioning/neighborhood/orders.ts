// What the owner signs about who is in: adoptions, rejections, and revocations, which the folder numbers and keeps, because every later token and
// card carries them.
import { join } from "node:path";
import { writeJson } from "../../system/files.ts";
import { signAdoption } from "../trust/adoption.ts";
import { signRejection } from "../trust/rejection.ts";
import { addRevocation, nextNumber, type Revocation, signRevocation } from "../trust/revocation.ts";
import type { Neighborhood, NeighborhoodFile, OpenNeighborhood } from "./neighborhood.ts";

/** The document that lets this one device in, whatever its token says. Devices keep it; the folder does not need it. */
export function adopt({ keys, root, revocations }: OpenNeighborhood, deviceKey: string, now: number): Promise<string> {
  // A folder that was restored from paper does not know all revocations; the owner adopts the device in spite of them.
  const revocation = Math.max(revocations.number, now);
  return signAdoption({ v: 1, neighborhood: keys.id, deviceKey, issuedAt: now, revocation }, root);
}

/** The document that turns this one device away for a day. */
export const reject = ({ keys, root }: OpenNeighborhood, deviceKey: string, now: number): Promise<string> =>
  signRejection({ v: 1, neighborhood: keys.id, deviceKey, issuedAt: now }, root);

/** Signs the next revocation and keeps it in the folder before anybody sees it: a number must never be given twice. */
export async function revoke(
  neighborhood: OpenNeighborhood,
  revoked: Revocation["revoke"],
  now: number,
): Promise<Neighborhood> {
  const { folder, file, keys, root, revocations } = neighborhood;
  const number = nextNumber(revocations, now);
  const jws = await signRevocation({ v: 1, neighborhood: keys.id, number, issuedAt: now, revoke: revoked }, root);
  // As every device will read it: what none would accept must not be kept.
  const known = await addRevocation(revocations, jws, keys);
  const next: NeighborhoodFile = { ...file, revocations: [...file.revocations, jws] };
  await writeJson(join(folder, "neighborhood.json"), next, { mode: 0o644 });
  return { ...neighborhood, file: next, revocations: known };
}
