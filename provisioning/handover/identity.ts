// Who this device is: `identity.json` in the agent's folder. The agent makes it and keeps it for life; root reads in it what the device
// was provisioned with, before it takes anything from a card.
import { z } from "zod";
import { type Damage, keep, readKept } from "../../system/kept.ts";
import { verifyChain } from "../file/provision.ts";
import { ProvisionFile } from "../file/provision-file.ts";
import { Id, Jws } from "../trust/fields.ts";
import { importSigningKey, type SigningKey } from "../trust/keys.ts";
import { verifyMemberCertificate } from "../trust/member-certificate.ts";
import type { NeighborhoodKeys } from "../trust/neighborhood-keys.ts";
import type { TokenCertificate } from "../trust/token.ts";
import { readKeptFrom } from "./files.ts";

/** All of the provision file but the token's secret and what stays with root. */
const Provisioned = z.object(ProvisionFile.shape).omit({ tokenKey: true, network: true, sshKeys: true, update: true });
export type Provisioned = z.infer<typeof Provisioned>;

export const IdentityFile = z.object({
  v: z.literal(1),
  deviceKey: z.string().max(4096).describe("PKCS8 PEM"),
  member: Jws,
  provision: Provisioned,
});
export type IdentityFile = z.infer<typeof IdentityFile>;

/** An identity whose certificates hold. */
export type VerifiedIdentity = { file: IdentityFile; key: SigningKey; keys: NeighborhoodKeys; token: TokenCertificate };

/** Throws `Refusal` or `identity.invalid`. */
export async function verifyIdentity(file: IdentityFile): Promise<VerifiedIdentity> {
  const { keys, certificate: token } = await verifyChain(file.provision);
  const key = importSigningKey(file.deviceKey);
  await verifyMemberCertificate(file.member, token.key, {
    neighborhood: keys.id,
    token: token.id,
    deviceKey: key.publicKey,
  });
  return { file, key, keys, token };
}

/** For the agent: repairs the file from its copy, or puts aside what cannot be read or does not hold. */
export async function readIdentity(
  path: string,
): Promise<{ identity: VerifiedIdentity | undefined; damage: Damage | undefined }> {
  const verified = new Map<IdentityFile, VerifiedIdentity>();
  // A file by an earlier release has no sum: its certificates show whether it is whole.
  const holds = async (file: IdentityFile) => {
    const identity = await verifyIdentity(file).catch(() => undefined);
    if (identity) verified.set(file, identity);
    return identity !== undefined;
  };
  const { value, damage } = await readKept(path, IdentityFile, holds);
  return { identity: value && verified.get(value), damage };
}

export const keepIdentity = (path: string, file: IdentityFile): Promise<void> => keep(path, file);

/** What root needs of it, and no more: where it could not read the rest, it would take the device for unreadable. */
const ForRoot = z.object({
  provision: Provisioned.pick({ token: true, name: true, seeds: true, config: true }).extend({
    neighborhood: z.object({ id: Id }),
  }),
});
export type ProvisionedForRoot = z.infer<typeof ForRoot>["provision"];

/** For root, which changes nothing: undefined if there is none. Throws `handover.refused` or `file.invalid`. */
export const readProvisioned = async (path: string): Promise<ProvisionedForRoot | undefined> =>
  (await readKeptFrom(path, ForRoot))?.provision;
