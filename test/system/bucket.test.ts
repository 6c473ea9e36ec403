import fc from "fast-check";
import { expect, test } from "vitest";
import type { Source } from "../../system/address.ts";
import { Bucket, FairBucket, type Limits } from "../../system/bucket.ts";

const limits: Limits = {
  perSource: { burst: 3, perSecond: 1 },
  perNetwork: { burst: 20, perSecond: 5 },
  known: { burst: 10, perSecond: 5 },
  maxSources: 64,
};
const source = (key: string | number, network: Source["network"] = "local"): Source => ({ key: String(key), network });
const count = (bucket: FairBucket, from: Source, times: number, now: number, isKnown = false) =>
  Array.from({ length: times }, () => bucket.admits(from, now, isKnown)).filter(Boolean).length;

test("a source is admitted in a burst, then at its rate", () => {
  const bucket = new FairBucket(limits);
  expect(count(bucket, source("a"), 10, 0)).toBe(3);
  expect(count(bucket, source("a"), 10, 1_000)).toBe(1);
  expect(count(bucket, source("a"), 10, 60_000)).toBe(3);
});

test("a source over its own limit takes nothing from others, and each network has a limit of its own", () => {
  const bucket = new FairBucket(limits);
  expect(count(bucket, source("a"), 1_000, 0)).toBe(3);
  const strangers = Array.from({ length: 50 }, (_, n) => source(n));
  expect(strangers.filter((stranger) => bucket.admits(stranger, 0))).toHaveLength(17);
  expect(bucket.admits(source("192.0.2.1", "ipv4"), 0)).toBe(true);
});

test("a clock that stands still or steps back gives no tokens", () => {
  const bucket = new FairBucket(limits);
  count(bucket, source("a"), 3, 5_000);
  expect(count(bucket, source("a"), 5, 4_000)).toBe(0);
  expect(count(bucket, source("a"), 5, 5_000)).toBe(0);
});

test("a bucket gives at most its burst and its rate, however the clock jumps about", () => {
  const asks = fc.array(fc.record({ at: fc.nat(60_000), tokens: fc.nat(20) }), { maxLength: 200 });
  fc.assert(
    fc.property(asks, (times) => {
      const bucket = new Bucket({ burst: 10, perSecond: 2 });
      let taken = 0;
      for (const { at, tokens } of times) {
        const some = Math.min(tokens, Math.floor(bucket.level(at)));
        bucket.take(some);
        taken += some;
      }
      const latest = Math.max(0, ...times.map(({ at }) => at));
      expect(taken).toBeLessThanOrEqual(10 + (2 * latest) / 1_000);
    }),
  );
  const bucket = new Bucket({ burst: 2, perSecond: 1 });
  expect([5_000, 5_000, 5_000, 5_999, 6_000].map((now) => bucket.admits(now))).toEqual([
    true,
    true,
    false,
    false,
    true,
  ]);
});

/** Strangers that ask at given times; `seconds` long. */
const flood = (sources: number) =>
  fc.record({
    sources: fc.integer({ min: 1, max: sources }),
    perSecond: fc.integer({ min: 1, max: 400 }),
    seconds: fc.integer({ min: 1, max: 40 }),
  });

test("whatever strangers do, they get no more than their network's burst and rate, and each source its own", () => {
  fc.assert(
    fc.property(flood(5_000), ({ sources, perSecond, seconds }) => {
      const bucket = new FairBucket(limits);
      const granted = new Map<string, number>();
      for (let n = 0; n < perSecond * seconds; n++) {
        const from = source(n % sources);
        if (bucket.admits(from, (n * 1_000) / perSecond)) granted.set(from.key, (granted.get(from.key) ?? 0) + 1);
      }
      const total = [...granted.values()].reduce((sum, some) => sum + some, 0);
      expect(total).toBeLessThanOrEqual(20 + 5 * seconds);
      // Where more sources come than are remembered, one may have been forgotten in between.
      if (sources <= 64) expect(Math.max(0, ...granted.values())).toBeLessThanOrEqual(3 + seconds);
    }),
    { numRuns: 60 },
  );
});

test("whoever is known is admitted at its own rate, whatever any number of strangers does", () => {
  fc.assert(
    fc.property(flood(5_000), ({ sources, perSecond, seconds }) => {
      const bucket = new FairBucket(limits);
      for (let n = 0; n < perSecond * seconds; n++) {
        const now = (n * 1_000) / perSecond;
        bucket.admits(source(n % sources), now);
        if (n % perSecond === 0) expect(bucket.admits(source("member"), now, true)).toBe(true);
      }
    }),
    { numRuns: 60 },
  );
});

test("h1-attacker: as many sources as are remembered keep no newcomer out once each of them has been seen", () => {
  fc.assert(
    fc.property(flood(63), fc.nat(999), ({ sources, perSecond, seconds }, at) => {
      const bucket = new FairBucket(limits);
      const floodMs = (1_000 * sources) / perSecond + 1_000 * seconds;
      let now = 0;
      for (let n = 0; now < floodMs; n++, now = (n * 1_000) / perSecond) bucket.admits(source(n % sources), now);
      // The first of their asks took what there was; from then on they can not reach down to the newcomer's token.
      now += 1_000;
      expect(bucket.admits(source("newcomer"), now + at)).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test("who asks seldom is served before those who ask ever again", () => {
  const bucket = new FairBucket(limits);
  let served = 0;
  for (let n = 0; n < 6_000; n++) {
    bucket.admits(source(n % 50), n * 10);
    if (n % 200 === 0 && bucket.admits(source("honest"), n * 10)) served += 1;
  }
  expect(served).toBeGreaterThanOrEqual(29);
});
