// Which token goes into a device's provision file, and what else. Provisioning twice with the same words gives the same file.
import type { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { decodeProvisionFile, ProvisionFile } from "../file/provision-file.ts";
import { signingKeyFromSeed } from "../trust/keys.ts";
import { foundedBy, type NeighborhoodKeys, succeed } from "../trust/neighborhood-keys.ts";
import { Refusal } from "../trust/refusal.ts";
import { type TokenCertificate, verifyToken } from "../trust/token.ts";
import type { TokenFile } from "./issue-token.ts";
import type { Neighborhood } from "./neighborhood.ts";

/** What whoever provisions says of one device, beside the token. */
export const DeviceWishes = ProvisionFile.pick({
  name: true,
  board: true,
  network: true,
  sshKeys: true,
  seeds: true,
  config: true,
});
export type DeviceWishes = z.infer<typeof DeviceWishes>;

/** The one command that gives a device that nobody has let in a new token; its first boot reads it again. */
export const provisionAgain = (name: string): string =>
  `put its card into a computer and type: hamlet provision <card> --neighborhood <folder> --name ${name}`;

/** The provision file for one device. */
export function planProvision(token: TokenFile, wishes: DeviceWishes): ProvisionFile {
  const said = Object.fromEntries(Object.entries(wishes).filter(([, value]) => value !== undefined));
  return { ...token, ...said };
}

/**
 * The token already in `block`, if a fresh one would say no more: same neighborhood, same device name, nothing revoked since,
 * and at least half of its time left. Undefined in every other case, garbage included.
 */
export async function reusableToken(
  block: Uint8Array,
  { keys, revocations }: Pick<Neighborhood, "keys" | "revocations">,
  name: string | undefined,
  now: number,
): Promise<TokenFile | undefined> {
  try {
    const file = decodeProvisionFile(block);
    if (file.name !== name || file.neighborhood.id !== keys.id) return undefined;
    const { certificate, byFormerRoot } = await verifyToken(file.token, keys);
    const { issuedAt, notAfter, maxDevices, revocation } = certificate;
    const isFresh = notAfter - now >= (notAfter - issuedAt) / 2 && now >= issuedAt;
    if (byFormerRoot || !isFresh || maxDevices !== 1 || revocation !== revocations.number) return undefined;
    const { v, neighborhood, token, tokenKey } = file;
    return { v, neighborhood, token, tokenKey, ...(file.revocations && { revocations: file.revocations }) };
  } catch {
    return undefined;
  }
}

/** The chain from the founding keys to the token's secret. Throws `provision.invalid` if a link of it does not hold. */
export async function verifyProvision(
  file: ProvisionFile,
): Promise<{ keys: NeighborhoodKeys; token: TokenCertificate }> {
  const { rootKey, successorKey, successions = [] } = file.neighborhood;
  try {
    const keys = await succeed(foundedBy(rootKey, successorKey), successions);
    const { certificate, byFormerRoot } = await verifyToken(file.token, keys);
    if (byFormerRoot) throw new Refusal("tokenForged", "the token is by a root that has been replaced");
    if (signingKeyFromSeed(file.tokenKey).publicKey !== certificate.key) {
      throw new Refusal("tokenForged", "the token's secret does not belong to its certificate");
    }
    return { keys, token: certificate };
  } catch (cause) {
    throw new HamletError("provision.invalid", "the token in the provision file is not of its neighborhood", {
      hint: "make a new token and provision again",
      cause,
    });
  }
}
