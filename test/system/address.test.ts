// Addresses have one spelling, match prefixes, and are grouped by source.
import { BlockList, isIP } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  addressBytes,
  addressOf,
  bracketed,
  canonicalIpv6,
  canonicalPrefix,
  formatAddress,
  isInside,
  parseAddress,
  parsePrefix,
  plainAddress,
  prefixOf,
  sourceOf,
  withoutMapping,
} from "../../system/address.ts";

const key = (address: string) => sourceOf(address).key;

test("an IPv4 address and an IPv6 /64 each count as one source; on the link and in the mesh, every address does", () => {
  expect(key("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(key("2001:db8::1")).toBe(key("2001:db8:0:0:ffff::2"));
  expect(key("2001:db8::1")).not.toBe(key("2001:db8:0:1::1"));
  expect(key("fd12:3456:789a::1")).not.toBe(key("fd12:3456:789a::2"));
  expect(key("fe80::1%eth0")).not.toBe(key("fe80::2%eth0"));
});

test("link-local and mesh addresses, which a host can invent freely, count as one network", () => {
  const networks = ["192.0.2.1", "2001:db8::1", "fe80::1%eth0", "fd12:3456:789a::1"].map((address) => {
    return sourceOf(address).network;
  });
  expect(networks).toEqual(["ipv4", "ipv6", "local", "local"]);
});

test("an IPv6 address has one spelling, that of RFC 5952", () => {
  expect(canonicalIpv6("FD12:3456:789A:0:0:0:0:7")).toBe("fd12:3456:789a::7");
  expect(canonicalIpv6("2001:db8:0:0:1:0:0:1")).toBe("2001:db8::1:0:0:1");
  expect(canonicalIpv6("2001:db8:0:1:1:1:1:1")).toBe("2001:db8:0:1:1:1:1:1");
  expect(canonicalIpv6("fe80::1%eth0")).toBeUndefined();
  expect(canonicalIpv6("192.0.2.1")).toBeUndefined();
  expect(plainAddress("::FFFF:192.0.2.1")).toBe("192.0.2.1");
  expect(plainAddress("::ffff:c000:201")).toBe("192.0.2.1");
  expect(plainAddress("FE80::1%eth0")).toBe("fe80::1");
  expect(plainAddress("attic.local")).toBe("attic.local");
  expect(withoutMapping("FE80::1%eth0")).toBe("fe80::1%eth0");
  expect(["fd00::1", "fe80::1%eth0", "192.0.2.1", "attic.local"].map(bracketed)).toEqual([
    ...["[fd00::1]", "[fe80::1%eth0]", "192.0.2.1", "attic.local"],
  ]);
});

test("a written address is read back as the same one, with the same bytes in packets", () => {
  const address = fc.oneof(
    fc.record({ family: fc.constant(4 as const), value: fc.bigInt(0n, 2n ** 32n - 1n) }),
    fc.record({ family: fc.constant(6 as const), value: fc.bigInt(0n, 2n ** 128n - 1n) }),
    // Runs of zeros, which are written as "::".
    fc.record({
      family: fc.constant(6 as const),
      value: fc.integer({ min: 0, max: 120 }).map((bit) => 5n << BigInt(bit)),
    }),
  );
  fc.assert(
    fc.property(address, (one) => {
      const text = formatAddress(one);
      expect(parseAddress(text)).toEqual(one);
      expect(addressOf(addressBytes(text))).toBe(text);
    }),
  );
});

test("prefixes match the same addresses as Node's BlockList", () => {
  const ipv6 = fc.bigInt(0n, 2n ** 128n - 1n).map((value) => formatAddress({ family: 6, value }));
  const ipv4 = fc.bigInt(0n, 2n ** 32n - 1n).map((value) => formatAddress({ family: 4, value }));
  for (const [address, width, family] of [[ipv4, 32, "ipv4"] as const, [ipv6, 128, "ipv6"] as const]) {
    fc.assert(
      fc.property(address, address, fc.integer({ min: 0, max: width }), (one, other, length) => {
        const list = new BlockList();
        list.addSubnet(other, length, family);
        expect(isInside(one, `${other}/${length}`)).toBe(list.check(one, family));
        expect(isInside(other, `${other}/${length}`)).toBe(true);
      }),
    );
  }
  expect(isInside("192.0.2.1", "::/0")).toBe(false);
  expect(isInside("fe80::1%eth0", "fe80::/10")).toBe(true);
  expect(isInside("fd12:3456:7890::7", "fd12:3456:789a::/48")).toBe(false);
});

test("any text that is not an address or a prefix is refused", () => {
  for (const text of [
    "",
    "1.2.3",
    "256.1.1.1",
    "01.2.3.4",
    "1.2.3.4%eth0",
    "fe80::1%",
    "::g",
    "[::1]",
    "1:2:3:4:5:6:7:8:9",
  ])
    expect(parseAddress(text)).toBeUndefined();
  for (const text of ["192.0.2.1", "192.0.2.1/33", "::/129", "::/", "::/01", "::/1/2", "fe80::1%eth0/64", "x/8", "/8"])
    expect(parsePrefix(text)).toBeUndefined();
  expect(canonicalPrefix("FD12:3456:789A:0::/48")).toBe("fd12:3456:789a::/48");
  expect(canonicalPrefix("10.0.0.0/8")).toBeUndefined();
  expect(() => prefixOf("10.0.0.0")).toThrow(RangeError);
  expect(() => addressBytes("attic")).toThrow(RangeError);
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(plainAddress(text)).toBe(isIP(text) > 0 ? plainAddress(plainAddress(text)) : text);
    }),
  );
});
