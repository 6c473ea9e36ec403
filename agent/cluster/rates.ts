// How much one member may ask of us: a bucket of tokens each, refilled at a steady rate.

/** True while `key` is within `perSecond` on average and `burst` at once. At most `most` keys are remembered. */
export function makeRates(o: { perSecond: number; burst: number; most?: number; monotonic(): number }) {
  const buckets = new Map<string, { tokens: number; at: number }>();
  return (key: string): boolean => {
    const now = o.monotonic();
    const bucket = buckets.get(key) ?? { tokens: o.burst, at: now };
    bucket.tokens = Math.min(o.burst, bucket.tokens + ((now - bucket.at) / 1_000) * o.perSecond);
    bucket.at = now;
    if (!buckets.has(key)) {
      if (buckets.size >= (o.most ?? 4_096)) buckets.delete(buckets.keys().next().value!);
      buckets.set(key, bucket);
    }
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  };
}
