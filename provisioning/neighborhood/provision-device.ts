// Plans a device's provision file: its token and settings. Provisioning twice with the same options gives the same file.
import type { z } from "zod";
import { ProvisionFile } from "../file/provision-file.ts";
import { verifyToken } from "../trust/token.ts";
import type { TokenFile } from "./issue-token.ts";
import type { Neighborhood } from "./neighborhood.ts";

/** What a person sets for one device, beside the token. */
export const DeviceSettings = ProvisionFile.pick({
  name: true,
  board: true,
  network: true,
  sshKeys: true,
  timezone: true,
  seeds: true,
  config: true,
  update: true,
});
export type DeviceSettings = z.infer<typeof DeviceSettings>;

/** Gives a new token to a device that no member has admitted; its next boot reads it. */
export const provisionAgain = (name: string): string =>
  `put its card into a computer and type: hamlet provision <card> --neighborhood <folder> --name ${name}`;

export function planProvision(token: TokenFile, settings: DeviceSettings): ProvisionFile {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  return { ...token, ...given };
}

/**
 * The token already in `file`, if a new one would add nothing: same neighborhood, same device name, nothing revoked since, and at least
 * half of its time left.
 */
export async function reusableToken(
  file: ProvisionFile | undefined,
  { keys, revocations }: Pick<Neighborhood, "keys" | "revocations">,
  name: string | undefined,
  now: number,
): Promise<TokenFile | undefined> {
  if (file === undefined) return undefined;
  try {
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
