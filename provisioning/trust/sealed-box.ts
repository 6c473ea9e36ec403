// A value for the holder of one X25519 key: a compact JWE (RFC 7516) with ECDH-ES and A256GCM. Each has an ephemeral key of its own.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { CompactEncrypt, compactDecrypt } from "jose";
import { z } from "zod";
import { parseJson } from "../../system/files.ts";

export const SealedBox = z.string().regex(/^[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+$/, "is not a compact JWE");

/** `publicKey`: raw 32 bytes in base64url. */
export type BoxKey = { publicKey: string; privateKey: KeyObject };

export function generateBoxKey(): BoxKey {
  const { privateKey, publicKey } = generateKeyPairSync("x25519");
  return { publicKey: String(publicKey.export({ format: "jwk" }).x), privateKey };
}

export const sealTo = (publicKey: string, value: unknown): Promise<string> =>
  new CompactEncrypt(Buffer.from(JSON.stringify(value)))
    .setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" })
    .encrypt(createPublicKey({ key: { kty: "OKP", crv: "X25519", x: publicKey }, format: "jwk" }));

/** Rejects with an error of the library for whatever is not sealed to this key. */
export async function openBox(box: string, privateKey: KeyObject): Promise<unknown> {
  const options = { keyManagementAlgorithms: ["ECDH-ES"], contentEncryptionAlgorithms: ["A256GCM"] };
  return parseJson(Buffer.from((await compactDecrypt(box, privateKey, options)).plaintext).toString("utf8"));
}

/** `wireguardKey`: private, in standard base64, as `wg` prints it. */
export const boxKeyOf = (wireguardKey: string): KeyObject =>
  createPrivateKey({
    // RFC 8410: PrivateKeyInfo of an X25519 key, up to the 32 bytes of the key itself.
    key: Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), Buffer.from(wireguardKey, "base64")]),
    format: "der",
    type: "pkcs8",
  });
