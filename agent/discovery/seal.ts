// What only a device of the neighborhood can make or read. Its id is a secret that every device has from its provision file and that is
// never on the link: both sides prove that they know it before either gives its record, and the records pass sealed by it.
// A record still proves itself: whoever was provisioned once, a revoked device too, knows the id.
// Pure.
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from "node:crypto";
import { parseJson } from "../../system/files.ts";

/** Both sides of a hello. Each chooses a nonce, so that nothing said in one hello counts in another. */
export type Talk = { neighborhood: string; asker: string; askerNonce: string; answerer: string; answererNonce: string };
/** `proof`: by the answerer, that it knows the id. `asker`, `answerer`: keys for what each says then. */
type Purpose = "proof" | "asker" | "answerer";

function secretOf({ neighborhood, asker, askerNonce, answerer, answererNonce }: Talk, purpose: Purpose): Buffer {
  const said = JSON.stringify(["hamlet hello", purpose, asker, askerNonce, answerer, answererNonce]);
  return createHmac("sha256", neighborhood).update(said).digest();
}

export const proofOf = (talk: Talk): string => secretOf(talk, "proof").toString("base64url");

export function isProof(talk: Talk, proof: string): boolean {
  const [claimed, right] = [Buffer.from(proof, "base64url"), secretOf(talk, "proof")];
  return claimed.length === right.length && timingSafeEqual(claimed, right);
}

const [ivBytes, tagBytes] = [12, 16];

/** AES-256-GCM. Each key seals one message, so the counter starts at zero. */
export function seal(talk: Talk, by: "asker" | "answerer", value: unknown): string {
  const cipher = createCipheriv("aes-256-gcm", secretOf(talk, by), Buffer.alloc(ivBytes));
  const text = Buffer.concat([cipher.update(JSON.stringify(value)), cipher.final()]);
  return Buffer.concat([cipher.getAuthTag(), text]).toString("base64url");
}

/** Undefined unless that side sealed it in this talk. */
export function unseal(talk: Talk, by: "asker" | "answerer", sealed: string): unknown {
  const bytes = Buffer.from(sealed, "base64url");
  if (bytes.length < tagBytes) return undefined;
  try {
    const decipher = createDecipheriv("aes-256-gcm", secretOf(talk, by), Buffer.alloc(ivBytes));
    decipher.setAuthTag(bytes.subarray(0, tagBytes));
    const text = Buffer.concat([decipher.update(bytes.subarray(tagBytes)), decipher.final()]);
    return parseJson(text.toString("utf8"));
  } catch {
    return undefined;
  }
}
