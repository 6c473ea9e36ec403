// Who this device is: `identity.json` in the agent's folder. The agent makes it and keeps it for life; root reads in it what the device
// was provisioned with, before it takes anything from a card.
import { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { type Damage, keep, readKept } from "../../system/kept.ts";
import { verifyChain } from "../file/provision.ts";
import { ProvisionFile } from "../file/provision-file.ts";
import { Id, Jws, PublicKey } from "../trust/fields.ts";
import { exportSigningKey, generateSigningKey, importSigningKey, type SigningKey } from "../trust/keys.ts";
import { Origin, signMemberCertificate, verifyMembership } from "../trust/member-certificate.ts";
import type { NeighborhoodKeys } from "../trust/neighborhood-keys.ts";
import type { TokenCertificate } from "../trust/token.ts";
import { readKeptFrom, removeKept } from "./files.ts";

/** All of the provision file but the token's secret and what stays with root. */
const Provisioned = z.object(ProvisionFile.shape).omit({ tokenKey: true, network: true, sshKeys: true, update: true });
export type Provisioned = z.infer<typeof Provisioned>;

export const IdentityFile = z.object({
  v: z.literal(1),
  deviceKey: z.string().max(4096).describe("PKCS8 PEM"),
  member: Jws,
  origin: Origin.optional(),
  madeOn: PublicKey.optional().describe("identifies the board on which this identity was made"),
  provision: Provisioned,
});
export type IdentityFile = z.infer<typeof IdentityFile>;

/** An identity whose certificates hold. */
export type VerifiedIdentity = { file: IdentityFile; key: SigningKey; keys: NeighborhoodKeys; token: TokenCertificate };

/** Throws `Refusal` or `identity.invalid`. */
export async function verifyIdentity(file: IdentityFile): Promise<VerifiedIdentity> {
  const { keys, certificate: token } = await verifyChain(file.provision);
  const key = importSigningKey(file.deviceKey);
  await verifyMembership(file, token.key, {
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

/**
 * Gives the identity up for a new one, whose device waits for adoption: the old key signs for it, because the token's secret is gone.
 * A copy of a copy can not. Throws `identity.invalid`.
 */
export async function yieldIdentity(
  files: { identity: string; roster: string; standing: string },
  madeOn: (deviceKey: string) => string | undefined,
): Promise<void> {
  const { identity } = await readIdentity(files.identity);
  if (!identity || identity.file.origin) {
    throw new HamletError("identity.invalid", "this device can not give up its identity: it is a copy already", {
      hint: "on the device, type: hamlet reset; then provision it again, as a new device",
    });
  }
  const { file, key: old, keys, token } = identity;
  const key = generateSigningKey();
  const member = await signMemberCertificate({ neighborhood: keys.id, token: token.id, deviceKey: key.publicKey }, old);
  const board = madeOn(key.publicKey);
  // What the old device knew and who admitted it says nothing about the new one. Before the new key: with the old one it yields again.
  for (const path of [files.roster, files.standing]) await removeKept(path);
  await keepIdentity(files.identity, {
    ...{ v: 1, deviceKey: exportSigningKey(key), member, provision: file.provision },
    origin: { deviceKey: old.publicKey, member: file.member },
    ...(board && { madeOn: board }),
  });
}

/**
 * For root: the key of the device of which this one is a copy. Only what that device's own key and the token have signed shows it, so the
 * agent's user can say it once at most. Undefined if this is no copy. Throws `Refusal`, `handover.refused`, `file.invalid` or `identity.invalid`.
 */
export async function readOriginal(path: string): Promise<string | undefined> {
  const file = await readKeptFrom(path, IdentityFile);
  return file?.origin && (await verifyIdentity(file)).file.origin?.deviceKey;
}

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
