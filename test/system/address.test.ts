import { expect, test } from "vitest";
import { sourceOf } from "../../system/address.ts";

const key = (address: string) => sourceOf(address).key;

test("one household is one source: an IPv4 address, an IPv6 /64, but each on the link and in the mesh for itself", () => {
  expect(key("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(key("2001:db8::1")).toBe(key("2001:db8:0:0:ffff::2"));
  expect(key("2001:db8::1")).not.toBe(key("2001:db8:0:1::1"));
  expect(key("fd12:3456:789a::1")).not.toBe(key("fd12:3456:789a::2"));
  expect(key("fe80::1%eth0")).not.toBe(key("fe80::2%eth0"));
});

test("addresses that a host makes up for nothing are a network apart", () => {
  const networks = ["192.0.2.1", "2001:db8::1", "fe80::1%eth0", "fd12:3456:789a::1"].map((address) => {
    return sourceOf(address).network;
  });
  expect(networks).toEqual(["ipv4", "ipv6", "local", "local"]);
});
