import { expect, test } from "vitest";
import { Limiter, sourceOf } from "../../../agent/discovery/limiter.ts";

const limits = { perSource: { burst: 3, perSecond: 1 }, total: { burst: 5, perSecond: 2 }, maxSources: 4 };
const count = (limiter: Limiter, address: string, times: number, now: number) =>
  Array.from({ length: times }, () => limiter.admits(address, now)).filter(Boolean).length;

test("a source may come in a burst, then at its rate", () => {
  const limiter = new Limiter(limits);
  expect(count(limiter, "192.0.2.1", 10, 0)).toBe(3);
  expect(count(limiter, "192.0.2.1", 10, 1_000)).toBe(1);
  expect(count(limiter, "192.0.2.1", 10, 60_000)).toBe(3);
});

test("who is over his own limit takes nothing from the others; all together have one too", () => {
  const limiter = new Limiter(limits);
  expect(count(limiter, "192.0.2.1", 1_000, 0)).toBe(3);
  expect(count(limiter, "192.0.2.2", 10, 0)).toBe(2);
  expect(count(limiter, "192.0.2.3", 10, 0)).toBe(0);
});

test("a hundred thousand forged addresses stay within the total", () => {
  const limiter = new Limiter({ ...limits, maxSources: 16 });
  let admitted = 0;
  for (let n = 0; n < 100_000; n++)
    if (limiter.admits(`2001:db8:${(n % 65_536).toString(16)}:${n >> 16}::1`, 0)) admitted++;
  expect(admitted).toBe(5);
});

test("a clock that stands still or steps back gives no tokens", () => {
  const limiter = new Limiter(limits);
  count(limiter, "192.0.2.1", 3, 5_000);
  expect(count(limiter, "192.0.2.1", 5, 4_000)).toBe(0);
});

test("one household is one source: an IPv4 address, an IPv6 /64, but each on the link and in the mesh for itself", () => {
  expect(sourceOf("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(sourceOf("2001:db8::1")).toBe(sourceOf("2001:db8:0:0:ffff::2"));
  expect(sourceOf("2001:db8::1")).not.toBe(sourceOf("2001:db8:0:1::1"));
  expect(sourceOf("fd12:3456:789a::1")).not.toBe(sourceOf("fd12:3456:789a::2"));
  expect(sourceOf("fe80::1%eth0")).not.toBe(sourceOf("fe80::2%eth0"));
});
