// Ed25519 keys, which sign; base64url in JSON.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject } from "node:crypto";
import { HamletError } from "../../system/error.ts";

export type SigningKey = {
  /** Raw 32 bytes, base64url. */
  publicKey: string;
  privateKey: KeyObject;
};

export function generateSigningKey(): SigningKey {
  return withPublicKey(generateKeyPairSync("ed25519").privateKey);
}

/** A key from a PKCS8 PEM or a JWK. Throws `identity.invalid` unless it is a private Ed25519 key. */
export function importSigningKey(key: string | JsonWebKey): SigningKey {
  try {
    const privateKey = typeof key === "string" ? createPrivateKey(key) : createPrivateKey({ key, format: "jwk" });
    if (privateKey.asymmetricKeyType === "ed25519") return withPublicKey(privateKey);
  } catch (cause) {
    throw notAKey(cause);
  }
  throw notAKey();
}

export const exportSigningKey = (key: SigningKey): string =>
  key.privateKey.export({ format: "pem", type: "pkcs8" }).toString();

// RFC 8410 7: the bytes before the 32-byte seed in a PKCS8 Ed25519 key.
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");

/** The key with the 32 secret bytes `seed` (base64url). Throws `identity.invalid`. */
export function signingKeyFromSeed(seed: string): SigningKey {
  const bytes = Buffer.from(seed, "base64url");
  if (bytes.length !== 32) throw notAKey();
  const der = Buffer.concat([pkcs8Prefix, bytes]);
  return withPublicKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
}

/** The 32 secret bytes of a key, base64url. */
export const seedOf = (key: SigningKey): string => String(key.privateKey.export({ format: "jwk" }).d);

/** The public key for `node:crypto`. Throws `identity.invalid` unless it is 32 bytes. */
export function publicKeyObject(publicKey: string): KeyObject {
  if (!isPublicKey(publicKey)) throw notAKey();
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: publicKey }, format: "jwk" });
}

/** 32 bytes in canonical base64url. */
export function isPublicKey(text: string): boolean {
  const bytes = Buffer.from(text, "base64url");
  return bytes.length === 32 && bytes.toString("base64url") === text;
}

function withPublicKey(privateKey: KeyObject): SigningKey {
  return { publicKey: String(createPublicKey(privateKey).export({ format: "jwk" }).x), privateKey };
}

const notAKey = (cause?: unknown): HamletError =>
  new HamletError("identity.invalid", "this is not an Ed25519 key", { cause });
