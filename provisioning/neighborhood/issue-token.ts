// Issues a join token as a file: what a device must know of the neighborhood, the token's certificate, and the secret that makes members.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { readJson, writeFileAtomic } from "../../system/files.ts";
import { ProvisionFile } from "../file/provision-file.ts";
import { generateSigningKey, seedOf } from "../trust/keys.ts";
import { signToken, type TokenCertificate } from "../trust/token.ts";
import { type OpenNeighborhood, toProvision } from "./neighborhood.ts";

export const TokenFile = ProvisionFile.pick({
  v: true,
  neighborhood: true,
  token: true,
  tokenKey: true,
  revocations: true,
});
export type TokenFile = z.infer<typeof TokenFile>;

export type TokenTerms = {
  validMs: number;
  maxDevices: number;
  tags: string[];
  adopt: "auto" | "confirm";
  now: number;
};

/** A device that has not joined within a week needs a new token. */
export const defaultValidMs = 7 * 86_400_000;

/** Signs a token and stores its certificate, without the secret, in `tokens/` of the neighborhood's folder. */
export async function issueToken(
  neighborhood: OpenNeighborhood,
  { validMs, now, ...terms }: TokenTerms,
): Promise<{ file: TokenFile; certificate: TokenCertificate }> {
  const key = generateSigningKey();
  const certificate: TokenCertificate = {
    v: 1,
    neighborhood: neighborhood.keys.id,
    id: randomBytes(8).toString("hex"),
    key: key.publicKey,
    issuedAt: now,
    notAfter: now + validMs,
    ...terms,
    revocation: neighborhood.revocations.number,
  };
  const token = await signToken(certificate, neighborhood.root);
  await writeFileAtomic(join(neighborhood.folder, "tokens", `${certificate.id}.jws`), `${token}\n`, { mode: 0o644 });
  return { file: { v: 1, ...toProvision(neighborhood), token, tokenKey: seedOf(key) }, certificate };
}

/** Throws `file.invalid`, or `file.unreadable` if there is none. */
export async function readTokenFile(path: string): Promise<TokenFile> {
  const hint = "create one: hamlet token create --neighborhood <folder> -o <file>";
  const file = await readJson(path, TokenFile, { hint });
  if (file) return file;
  throw new HamletError("file.unreadable", `there is no token file ${path}`, { hint });
}
