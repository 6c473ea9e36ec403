// The answerer's nonces. It keeps nothing for a stranger: a nonce says when it was given out and to whom, and only one that came back in
// a hello of the neighborhood is remembered, for as long as it would be valid.
// Pure but for its own table.
import { createHmac, timingSafeEqual } from "node:crypto";

/** Longer than a hello may take on a bad link. */
const validMs = 10_000;
const maxUsed = 4_096;
const macBytes = 16;

export class Nonces {
  readonly #secret: Buffer;
  /** Used ones and when each ends, oldest first. */
  readonly #used = new Map<string, number>();

  /** `secret`: 32 random bytes, other ones at each start. */
  constructor(secret: Buffer) {
    this.#secret = secret;
  }

  /** `now` is monotonic, in ms. */
  give(asker: string, askerNonce: string, now: number): string {
    const at = Buffer.alloc(8);
    at.writeBigUInt64BE(BigInt(Math.floor(now)));
    return Buffer.concat([at, this.#mac(at, asker, askerNonce)]).toString("base64url");
  }

  /** Whether this nonce was given to `asker` lately and was not used since. */
  isFresh(nonce: string, asker: string, askerNonce: string, now: number): boolean {
    const bytes = Buffer.from(nonce, "base64url");
    if (bytes.length !== 8 + macBytes || bytes.toString("base64url") !== nonce) return false;
    const at = bytes.subarray(0, 8);
    if (!timingSafeEqual(bytes.subarray(8), this.#mac(at, asker, askerNonce))) return false;
    return now - Number(at.readBigUInt64BE()) <= validMs && !this.#used.has(nonce);
  }

  use(nonce: string, now: number): void {
    for (const [old, endsAt] of this.#used) if (endsAt < now || this.#used.size >= maxUsed) this.#used.delete(old);
    this.#used.set(nonce, now + validMs);
  }

  #mac(at: Buffer, asker: string, askerNonce: string): Buffer {
    const said = JSON.stringify([at.toString("hex"), asker, askerNonce]);
    return createHmac("sha256", this.#secret).update(said).digest().subarray(0, macBytes);
  }
}
