// How often a stranger may ask: a bucket of tokens for each source and one for all of them together.
// Bounded: whatever addresses are forged, no more than `maxSources` are remembered.
import { isIPv4 } from "node:net";
import { isLinkLocal } from "./links.ts";

export type Limits = {
  perSource: { burst: number; perSecond: number };
  total: { burst: number; perSecond: number };
  maxSources: number;
};
type Bucket = { tokens: number; at: number };

export class Limiter {
  readonly #limits: Limits;
  readonly #sources = new Map<string, Bucket>();
  readonly #total: Bucket;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#total = { tokens: limits.total.burst, at: Number.NEGATIVE_INFINITY };
  }

  /** `now` is monotonic, in ms. A source that is over its own limit takes nothing from the others'. */
  admits(address: string, now: number): boolean {
    const { perSource, total, maxSources } = this.#limits;
    const key = sourceOf(address);
    let bucket = this.#sources.get(key);
    if (!bucket) {
      if (this.#sources.size >= maxSources) this.#sources.delete(this.#sources.keys().next().value!);
      bucket = { tokens: perSource.burst, at: now };
      this.#sources.set(key, bucket);
    }
    if (!take(bucket, perSource, now)) return false;
    return take(this.#total, total, now);
  }
}

function take(bucket: Bucket, { burst, perSecond }: { burst: number; perSecond: number }, now: number): boolean {
  bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.at) / 1000) * perSecond);
  bucket.at = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

/** One household, one key: an IPv4 address or an IPv6 /64. On the link all share fe80::/64, in the mesh one /64 of fd00::/8: there the whole address counts. */
export function sourceOf(address: string): string {
  const bare = address.replace(/^::ffff:(?=\d+\.)/i, "");
  if (isIPv4(bare) || isLinkLocal(bare) || /^f[cd]/i.test(bare)) return bare;
  const [head = "", tail] = bare.split("%")[0]!.split("::");
  const left = head.split(":").filter(Boolean);
  const gap = tail === undefined ? 0 : 8 - left.length - tail.split(":").filter(Boolean).length;
  const groups = [...left, ...Array(Math.max(0, gap)).fill("0"), ...(tail ?? "").split(":").filter(Boolean)];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}
