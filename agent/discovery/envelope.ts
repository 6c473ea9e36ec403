// Beyond the link a hello travels in an envelope: a JWE to the WireGuard key that the seed names, which also carries a key for the answer.
// So nobody on the way, and no former member, learns who greets whom.
import { randomBytes } from "node:crypto";
import { CompactEncrypt, compactDecrypt } from "jose";
import { z } from "zod";
import { boxKeyOf, openBox, SealedBox, sealTo } from "../../provisioning/trust/sealed-box.ts";
import { HamletError } from "../../system/error.ts";
import { parseJson } from "../../system/files.ts";

const Inner = z.object({ replyKey: z.string().regex(/^[\w-]{43}$/), message: z.unknown() });
export const Envelope = z.strictObject({ jwe: SealedBox });
export type Envelope = z.infer<typeof Envelope>;

/** `wireguardKey`: in base64url, as after the `#` of a seed. `open` reads the answer. Throws `hello.invalid`. */
export async function enclose(
  message: unknown,
  wireguardKey: string,
): Promise<{ envelope: Envelope; open(answer: unknown): Promise<unknown> }> {
  const replyKey = randomBytes(32);
  const jwe = await sealTo(wireguardKey, { replyKey: replyKey.toString("base64url"), message });
  const open = async (answer: unknown) => {
    const envelope = Envelope.safeParse(answer);
    if (!envelope.success) throw notForUs();
    return await openReply(envelope.data.jwe, replyKey);
  };
  return { envelope: { jwe }, open };
}

/** What a device with this WireGuard key (private, standard base64) finds in an envelope, and how it answers. Throws `hello.invalid`. */
export async function disclose(
  { jwe }: Envelope,
  wireguardKey: string,
): Promise<{ message: unknown; answer(value: unknown): Promise<Envelope> }> {
  const opened = await openBox(jwe, boxKeyOf(wireguardKey)).catch((cause: unknown) => {
    throw notForUs(cause);
  });
  const inner = Inner.safeParse(opened);
  if (!inner.success) throw notForUs();
  const { replyKey, message } = inner.data;
  const answer = async (value: unknown) => ({
    jwe: await new CompactEncrypt(Buffer.from(JSON.stringify(value)))
      .setProtectedHeader({ alg: "dir", enc: "A256GCM" })
      .encrypt(Buffer.from(replyKey, "base64url")),
  });
  return { message, answer };
}

async function openReply(jwe: string, key: Uint8Array): Promise<unknown> {
  try {
    const options = { keyManagementAlgorithms: ["dir"], contentEncryptionAlgorithms: ["A256GCM"] };
    return parseJson(Buffer.from((await compactDecrypt(jwe, key, options)).plaintext).toString("utf8"));
  } catch (cause) {
    throw notForUs(cause);
  }
}

const notForUs = (cause?: unknown) =>
  new HamletError("hello.invalid", "an envelope that this device can not open", { cause });
