// Beyond the link a hello travels in an envelope: a JWE to the WireGuard key that the seed names, which also carries a key for the answer.
// So nobody on the way, and no former member, learns who greets whom.
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes } from "node:crypto";
import { CompactEncrypt, compactDecrypt } from "jose";
import { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { parseJson } from "../../system/files.ts";

const Inner = z.object({ replyKey: z.string().regex(/^[\w-]{43}$/), message: z.unknown() });
export const Envelope = z.strictObject({ jwe: z.string().regex(/^[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+$/) });
export type Envelope = z.infer<typeof Envelope>;

const encode = (value: unknown) => Buffer.from(JSON.stringify(value));
const bytesOf = (key: string) => Buffer.from(key, "base64url");

/** `wireguardKey`: in base64url, as after the `#` of a seed. `open` reads the answer. Throws `hello.invalid`. */
export async function enclose(
  message: unknown,
  wireguardKey: string,
): Promise<{ envelope: Envelope; open(answer: unknown): Promise<unknown> }> {
  const replyKey = randomBytes(32).toString("base64url");
  const to = createPublicKey({ key: { kty: "OKP", crv: "X25519", x: wireguardKey }, format: "jwk" });
  const jwe = await new CompactEncrypt(encode({ replyKey, message }))
    .setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" })
    .encrypt(to);
  const open = async (answer: unknown) => {
    const envelope = Envelope.safeParse(answer);
    if (!envelope.success) throw notForUs();
    return await decrypt(envelope.data.jwe, bytesOf(replyKey), "dir");
  };
  return { envelope: { jwe }, open };
}

/** What a device with this WireGuard key (private, standard base64) finds in an envelope, and how it answers. Throws `hello.invalid`. */
export async function disclose(
  { jwe }: Envelope,
  wireguardKey: string,
): Promise<{ message: unknown; answer(value: unknown): Promise<Envelope> }> {
  const inner = Inner.safeParse(await decrypt(jwe, privateKeyOf(wireguardKey), "ECDH-ES"));
  if (!inner.success) throw notForUs();
  const { replyKey, message } = inner.data;
  const answer = async (value: unknown) => ({
    jwe: await new CompactEncrypt(encode(value))
      .setProtectedHeader({ alg: "dir", enc: "A256GCM" })
      .encrypt(bytesOf(replyKey)),
  });
  return { message, answer };
}

async function decrypt(jwe: string, key: KeyObject | Uint8Array, alg: "dir" | "ECDH-ES"): Promise<unknown> {
  try {
    const options = { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: ["A256GCM"] };
    return parseJson(Buffer.from((await compactDecrypt(jwe, key, options)).plaintext).toString("utf8"));
  } catch (cause) {
    throw notForUs(cause);
  }
}

// RFC 8410: PrivateKeyInfo of an X25519 key, up to the 32 bytes of the key itself.
const privateKeyOf = (wireguardKey: string): KeyObject =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), Buffer.from(wireguardKey, "base64")]),
    format: "der",
    type: "pkcs8",
  });

const notForUs = (cause?: unknown) =>
  new HamletError("hello.invalid", "an envelope that this device can not open", { cause });
