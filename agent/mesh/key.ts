// Computes the public key of a WireGuard (X25519) private key without starting a program.
import { createPrivateKey, createPublicKey } from "node:crypto";
import { HamletError } from "../../system/error.ts";

// RFC 8410: PrivateKeyInfo of an X25519 key, up to the 32 bytes of the key itself.
const pkcs8Head = Buffer.from("302e020100300506032b656e04220420", "hex");

export function wireguardPublicKey(privateKey: string): string {
  const raw = Buffer.from(privateKey, "base64");
  if (raw.length !== 32)
    throw new HamletError("identity.invalid", "the WireGuard private key is not 32 bytes of base64");
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Head, raw]), format: "der", type: "pkcs8" });
  return Buffer.from(createPublicKey(key).export({ format: "jwk" }).x ?? "", "base64url").toString("base64");
}
