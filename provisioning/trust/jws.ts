// Every signed document is a compact JWS (RFC 7515) with two header fields, `alg` EdDSA and `typ`, and both are checked.
// The string itself is the document: it is stored, compared and forwarded byte for byte, so only one spelling of it is valid.
import { createHash, sign as signBytes, verify as verifyBytes } from "node:crypto";
import { CompactSign, compactVerify } from "jose";
import { z } from "zod";
import { explainIssues, parseJson } from "../../system/files.ts";
import { isPublicKey, publicKeyObject, type SigningKey } from "./keys.ts";
import { Refusal } from "./refusal.ts";

export type DocumentType =
  | "hamlet-token"
  | "hamlet-member"
  | "hamlet-record"
  | "hamlet-admission"
  | "hamlet-adoption"
  | "hamlet-rejection"
  | "hamlet-replacement"
  | "hamlet-presence"
  | "hamlet-revocation"
  | "hamlet-succession"
  | "hamlet-operator"
  | "hamlet-rollout"
  | "hamlet-hold"
  | "hamlet-forget"
  | "hamlet-comeback"
  | "hamlet-result"
  | "hamlet-liveness"
  | "hamlet-question"
  | "hamlet-answer"
  | "hamlet-witness";

/** No signed document is longer: a sender of more wastes our time. */
export const maxDocumentChars = 64 << 10;

/** Names a document, and no other: sha256 in base64url. */
export const digestOf = (jws: string): string => createHash("sha256").update(jws).digest("base64url");

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const headerOf = (typ: DocumentType): string => encoded({ alg: "EdDSA", typ });

/** A document whose content both sides know travels as its third part alone, the signature. */
export const signPart = (typ: DocumentType, payload: unknown, key: SigningKey): string =>
  signBytes(null, Buffer.from(`${headerOf(typ)}.${encoded(payload)}`), key.privateKey).toString("base64url");

export function signedBy(typ: DocumentType, payload: unknown, signature: string, publicKey: string): boolean {
  const bytes = decodeExactly(signature);
  if (bytes?.length !== 64 || !isPublicKey(publicKey)) return false;
  return verifyBytes(null, Buffer.from(`${headerOf(typ)}.${encoded(payload)}`), publicKeyObject(publicKey), bytes);
}

export function sign(typ: DocumentType, payload: unknown, key: SigningKey): Promise<string> {
  return new CompactSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader({ alg: "EdDSA", typ })
    .sign(key.privateKey);
}

/** The payload, once header, signature and `schema` hold. Throws `Refusal`. */
export async function verify<T extends z.ZodType>(
  typ: DocumentType,
  jws: string,
  publicKey: string,
  schema: T,
): Promise<z.infer<T>> {
  const content = readUnverified(typ, jws, schema);
  try {
    await compactVerify(jws, publicKeyObject(publicKey), { algorithms: ["EdDSA"] });
  } catch (cause) {
    throw new Refusal("badSignature", `the signature of this ${typ} does not match the key`, cause);
  }
  return content;
}

/** As `verify`, at once and without a library's code, for a program with little memory. Throws `Refusal`. */
export function verifyAtOnce<T extends z.ZodType>(
  typ: DocumentType,
  jws: string,
  publicKey: string,
  schema: T,
): z.infer<T> {
  const content = readUnverified(typ, jws, schema);
  const end = jws.lastIndexOf(".");
  const signature = Buffer.from(jws.slice(end + 1), "base64url");
  if (
    isPublicKey(publicKey) &&
    verifyBytes(null, Buffer.from(jws.slice(0, end)), publicKeyObject(publicKey), signature)
  )
    return content;
  throw new Refusal("badSignature", `the signature of this ${typ} does not match the key`);
}

const Header = z.strictObject({ alg: z.string(), typ: z.string() });

/** The unverified content. For a self-signed document, which contains its key: read it, then `verify`. Throws `Refusal`. */
export function readUnverified<T extends z.ZodType>(typ: DocumentType, jws: string, schema: T): z.infer<T> {
  if (jws.length > maxDocumentChars) throw new Refusal("tooLarge", `a ${typ} of ${jws.length} characters`);
  const parts = jws.split(".");
  const [header, payload, signature] = parts.map(decodeExactly);
  if (parts.length !== 3 || !header || !payload || signature?.length !== 64) {
    throw new Refusal("malformed", `this ${typ} is not a compact JWS`);
  }
  const parsed = Header.safeParse(parseJson(header.toString("utf8")));
  if (!parsed.success) throw new Refusal("malformed", `header of this ${typ}: ${explainIssues(parsed.error)}`);
  if (parsed.data.alg !== "EdDSA") throw new Refusal("wrongAlgorithm", "signed by an algorithm other than EdDSA");
  if (parsed.data.typ !== typ) throw new Refusal("wrongType", `not a ${typ}`);
  if (parts[0] !== headerOf(typ)) throw new Refusal("malformed", `header of this ${typ}: another spelling`);
  const content = schema.safeParse(parseJson(payload.toString("utf8")));
  if (!content.success) throw new Refusal("badContent", `this ${typ}: ${explainIssues(content.error)}`);
  return content.data;
}

/** Base64url has spare bits at its end. They must be zero, or one document would have several strings. */
function decodeExactly(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, "base64url");
  return bytes.length > 0 && bytes.toString("base64url") === part ? bytes : undefined;
}
