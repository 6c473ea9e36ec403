// Endpoints have one spelling each; anything else is refused.
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatAddress } from "../../system/address.ts";
import { canonicalEndpoint, formatEndpoint, parseEndpoint } from "../../system/endpoint.ts";

test("an endpoint has one spelling, and an IPv4-mapped IPv6 address becomes the IPv4 address", () => {
  expect(canonicalEndpoint("192.168.1.7:51820")).toBe("192.168.1.7:51820");
  expect(canonicalEndpoint("[2001:DB8:0::1]:051")).toBe("[2001:db8::1]:51");
  expect(canonicalEndpoint("[::ffff:192.168.1.7]:80")).toBe("192.168.1.7:80");
  expect(canonicalEndpoint("[fe80::1%eth0]:80")).toBe("[fe80::1%eth0]:80");
  expect(parseEndpoint("[fe80::1%eth0]:80")).toEqual({ address: "fe80::1", family: 6, scope: "eth0", port: 80 });
});

test("names, bare addresses and invalid ports are refused", () => {
  const wrong = [
    "attic.local:80",
    "192.168.1.7",
    "192.168.1.7:0",
    "192.168.1.7:65536",
    "fd00::1:80",
    "[192.168.1.7]:80",
  ];
  for (const text of [...wrong, "[fe80::1%]:80", "[fe80::1%a b]:80", "[::1]", "1.2.3.4.5:80", ""])
    expect(parseEndpoint(text)).toBeUndefined();
});

test("a written endpoint is read back as the same one", () => {
  const address = fc.bigInt(2n ** 96n, 2n ** 128n - 1n).map((value) => formatAddress({ family: 6, value }));
  fc.assert(
    fc.property(address, fc.integer({ min: 1, max: 65_535 }), (one, port) => {
      const endpoint = { address: one, family: 6 as const, port };
      expect(parseEndpoint(formatEndpoint(endpoint))).toEqual(endpoint);
    }),
  );
});
