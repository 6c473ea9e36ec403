// Seals a signing key on the owner's disk with a passphrase: scrypt, then AES-256-GCM over the seed, with the public key as additional data.
// OpenSSL's encrypted PEM is no alternative: 2048 rounds of PBKDF2 do not protect a stolen laptop.
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from "node:crypto";
import { promisify } from "node:util";
import { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { PublicKey } from "./fields.ts";
import { type SigningKey, seedOf, signingKeyFromSeed } from "./keys.ts";

// RFC 7914 2: memory is 128 * N * r bytes. Each guess costs a thief 128 MiB and a third of a second.
const cost = { N: 1 << 17, r: 8, p: 1 };
/** Bounds the memory that a file can make this computer use: N * r * 128 <= 1 GiB. */
const Kdf = z.strictObject({
  name: z.literal("scrypt"),
  N: z
    .int()
    .min(1 << 14)
    .max(1 << 20),
  r: z.int().min(8).max(8),
  p: z.int().min(1).max(4),
  salt: z.base64url(),
});

export const SealedKey = z.strictObject({
  v: z.literal(1),
  role: z.string().regex(/^[a-z0-9-]{1,32}$/),
  publicKey: PublicKey,
  anchor: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional()
    .describe("sha256 of what the key belongs to, for whoever must not use it for anything else"),
  kdf: Kdf,
  cipher: z.literal("aes-256-gcm"),
  nonce: z.base64url(),
  sealed: z.base64url().describe("32 bytes of seed, then the tag of 16"),
});
export type SealedKey = z.infer<typeof SealedKey>;

const minPassphraseChars = 8;

/** Throws `neighborhood.noPassphrase`. */
export function requirePassphrase(passphrase: string): void {
  if ([...passphrase].length >= minPassphraseChars) return;
  throw new HamletError("neighborhood.noPassphrase", `a passphrase has at least ${minPassphraseChars} characters`, {
    hint: "four or five random words are easy to keep and hard to guess",
    exitCode: 2,
  });
}

/** Keys sealed together share the slow derivation, but no nonce. */
export async function sealKeys(
  keys: readonly { role: SealedKey["role"]; key: SigningKey; anchor?: string | undefined }[],
  passphrase: string,
): Promise<SealedKey[]> {
  const kdf = { name: "scrypt" as const, ...cost, salt: randomBytes(16).toString("base64url") };
  const secret = await derive(passphrase, kdf);
  return keys.map(({ role, key, anchor }) => {
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", secret, nonce).setAAD(boundIn(role, key.publicKey, anchor));
    const seed = Buffer.from(seedOf(key), "base64url");
    const sealed = Buffer.concat([cipher.update(seed), cipher.final(), cipher.getAuthTag()]);
    return {
      v: 1,
      role,
      publicKey: key.publicKey,
      ...(anchor !== undefined && { anchor }),
      kdf,
      cipher: "aes-256-gcm",
      nonce: nonce.toString("base64url"),
      sealed: sealed.toString("base64url"),
    };
  });
}

/** Undefined for each that the passphrase does not open. Keys that were sealed together share the slow derivation here too. */
export async function openSealedKeys(
  files: readonly SealedKey[],
  passphrase: string,
): Promise<(SigningKey | undefined)[]> {
  const secrets = new Map<string, Buffer>();
  const opened: (SigningKey | undefined)[] = [];
  for (const file of files) {
    const name = JSON.stringify(file.kdf);
    const secret = secrets.get(name) ?? (await derive(passphrase, file.kdf));
    secrets.set(name, secret);
    opened.push(openWith(secret, file));
  }
  return opened;
}

function openWith(secret: Buffer, file: SealedKey): SigningKey | undefined {
  const sealed = Buffer.from(file.sealed, "base64url");
  try {
    const decipher = createDecipheriv("aes-256-gcm", secret, Buffer.from(file.nonce, "base64url"), {
      authTagLength: 16,
    })
      .setAAD(boundIn(file.role, file.publicKey, file.anchor))
      .setAuthTag(sealed.subarray(-16));
    const seed = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
    return signingKeyFromSeed(seed.toString("base64url"));
  } catch {
    return undefined;
  }
}

const boundIn = (role: string, publicKey: string, anchor: string | undefined): Buffer =>
  Buffer.from(`hamlet ${role} key ${publicKey}${anchor === undefined ? "" : ` of ${anchor}`}`);

/** NFKC: the same letters give the same bytes on every keyboard. */
const derive = (passphrase: string, { N, r, p, salt }: z.infer<typeof Kdf>): Promise<Buffer> =>
  (promisify(scrypt) as (secret: string, salt: Buffer, length: number, options: object) => Promise<Buffer>)(
    passphrase.normalize("NFKC"),
    Buffer.from(salt, "base64url"),
    32,
    { N, r, p, maxmem: 256 * N * r },
  );
