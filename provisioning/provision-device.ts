// Which token goes into a device's provision file, and what else. Provisioning twice with the same words gives the same file.
import type { z } from "zod";
import type { TokenFile } from "./issue-token.ts";
import type { Neighborhood } from "./neighborhood.ts";
import { decodeProvisionFile, ProvisionFile } from "./provision-file.ts";
import { verifyToken } from "./token.ts";

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
