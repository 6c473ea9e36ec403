// By the nonce that a device gives for a question it proves that it knows the neighborhood's id, which strangers must not learn: its public
// page, where its key comes from, proves nothing. Whoever was provisioned once knows the id, so the answer still has to prove itself.
// Pure.
import { createHmac, timingSafeEqual } from "node:crypto";

/** `deviceKey`: of the device that gives the nonce, so that nobody passes another's on as its own. */
export type NonceGift = { replyKey: string; nonce: string; deviceKey: string };

const proof = (neighborhood: string, { replyKey, nonce, deviceKey }: NonceGift): Buffer =>
  createHmac("sha256", neighborhood)
    .update(JSON.stringify(["hamlet nonce", replyKey, nonce, deviceKey]))
    .digest();

export const nonceProof = (neighborhood: string, gift: NonceGift): string =>
  proof(neighborhood, gift).toString("base64url");

export function isNonceProof(neighborhood: string, gift: NonceGift, claimed: string): boolean {
  const [bytes, right] = [Buffer.from(claimed, "base64url"), proof(neighborhood, gift)];
  return bytes.length === right.length && timingSafeEqual(bytes, right);
}
