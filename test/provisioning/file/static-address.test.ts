import { BlockList, isIP, isIPv4 } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { networkdFiles } from "../../../provisioning/file/network-files.ts";
import { Network } from "../../../provisioning/file/provision-file.ts";
import { type StaticAddress, staticAddressProblems } from "../../../provisioning/file/static-address.ts";

const problems = (wanted: StaticAddress) =>
  staticAddressProblems(wanted).map(({ part, message }) => `${part}: ${message}`);

test.each<[string, string]>([
  ["0.0.0.0/24", "not an address for a device"],
  ["0.1.2.3/8", "not an address for a device"],
  ["127.0.0.1/8", "a loopback address"],
  ["224.0.0.251/24", "a multicast address"],
  ["255.255.255.255/24", "a reserved address"],
  ["192.168.1.0/24", "the address of the network itself"],
  ["192.168.1.255/24", "the broadcast address"],
  ["10.1.255.255/16", "the broadcast address"],
  ["192.168.1.5/32", "192.168.1.5/32 has no room for another device"],
  ["192.168.1.5/0", "/0 covers a large part"],
  ["::/64", "not an address for a device"],
  ["::1/128", "a loopback address"],
  ["ff02::fb/64", "a multicast address"],
  ["::ffff:192.168.1.5/64", "an IPv4 address in the form of IPv6"],
  ["2001:db8::/64", "the address of the network itself"],
  ["2001:db8::5/0", "/0 covers a large part"],
])("wifi-static: %s is no device's: it is %s", (address, why) => {
  expect(problems({ address })).toEqual([expect.stringMatching(/^address: /)]);
  expect(problems({ address })[0]).toContain(why);
});

test.each<[string, string, string]>([
  ["192.168.1.5/24", "10.0.0.1", "10.0.0.1 is not in 192.168.1.0/24"],
  ["192.168.1.5/24", "192.168.1.5", "the device's own address"],
  ["192.168.1.5/24", "192.168.1.0", "the address of the network itself"],
  ["192.168.1.5/24", "192.168.1.255", "the broadcast address"],
  ["192.168.1.5/24", "fe80::1", "one is IPv4, the other IPv6"],
  ["192.168.1.5/24", "224.0.0.1", "a multicast address"],
  ["192.168.1.5/24", "127.0.0.1", "a loopback address"],
  ["192.168.1.129/25", "192.168.1.1", "192.168.1.1 is not in 192.168.1.128/25"],
  ["192.168.1.4/31", "192.168.1.6", "192.168.1.6 is not in 192.168.1.4/31"],
  ["2001:db8::5/64", "2001:db8:0:1::1", "2001:db8:0:1::1 is not in 2001:db8::/64"],
  ["2001:db8::5/64", "2001:DB8:0::5", "the device's own address"],
  ["2001:db8::5/64", "2001:db8::", "the address of the network itself"],
  ["2001:db8::5/64", "192.168.1.1", "one is IPv4, the other IPv6"],
  ["2001:db8::5/64", "ff02::2", "a multicast address"],
  ["2001:db8::5/128", "2001:db8::1", "2001:db8::1 is not in 2001:db8::5/128"],
])("wifi-static: of %s the gateway cannot be %s: %s", (address, gateway, why) => {
  expect(problems({ address, gateway })).toEqual([expect.stringContaining(why)]);
});

test("wifi-static: name servers may be in any network, but not at an unusable address or the device itself", () => {
  const address = "192.168.1.5/24";
  expect(problems({ address, dns: ["9.9.9.9", "192.168.1.1", "2620:fe::9", "fe80::1"] })).toEqual([]);
  const wrong = ["0.0.0.0", "127.0.0.53", "::1", "224.0.0.1", "192.168.1.5", "192.168.1.255"];
  expect(problems({ address, dns: wrong })).toHaveLength(wrong.length);
});

test("wifi-static: both addresses of a /31 and of a /127 are usable, and a link-local router is reachable", () => {
  for (const [address, gateway] of [
    ["192.168.1.4/31", "192.168.1.5"],
    ["192.168.1.5/31", "192.168.1.4"],
    ["192.168.1.5/30", "192.168.1.6"],
    ["2001:db8::/127", "2001:db8::1"],
    ["2001:db8::5/128", "fe80::1"],
    ["fd12::5/64", "fe80::1"],
    ["10.1.2.3/8", "10.255.255.254"],
  ])
    expect([address, problems({ address: address!, gateway: gateway! })]).toEqual([address, []]);
});

const v4 = fc.ipV4();
const v6 = fc.ipV6();
test("wifi-static: a gateway is accepted only if it is another address of the same network by Node's BlockList", () => {
  const near = (family: 4 | 6) =>
    fc
      .tuple(
        family === 4 ? v4 : v6,
        fc.nat(7),
        family === 4 ? v4 : v6,
        fc.integer({ min: 8, max: family === 4 ? 31 : 127 }),
      )
      // Mostly close to each other: two addresses by chance are in no common network.
      .map(([own, step, other, prefix]) => ({
        address: `${own}/${prefix}`,
        gateway:
          step === 0
            ? other
            : own.replace(/[0-9a-f]+$/, (last) =>
                family === 4 ? String((Number(last) + step) % 256) : `${(Number.parseInt(last, 16) + step) & 0xffff}`,
              ),
      }));
  const pairs = fc.oneof(near(4), near(6)).filter(({ gateway }) => isIP(gateway) > 0);
  let taken = 0;
  fc.assert(
    fc.property(pairs, ({ address, gateway }) => {
      const [own = "", prefix = ""] = address.split("/");
      const family = isIPv4(own) ? "ipv4" : "ipv6";
      const network = new BlockList();
      network.addSubnet(own, Number(prefix), family);
      const itself = new BlockList();
      itself.addAddress(own, family);
      const said = staticAddressProblems({ address, gateway }).filter(({ part }) => part === "gateway");
      if (said.length > 0) {
        if (said[0]!.message.includes("is not in")) expect(network.check(gateway, family)).toBe(false);
        return;
      }
      taken += 1;
      const linkLocal = new BlockList();
      linkLocal.addSubnet("fe80::", 10, "ipv6");
      expect(network.check(gateway, family) || linkLocal.check(gateway, family)).toBe(true);
      expect(itself.check(gateway, family)).toBe(false);
    }),
    { numRuns: 500 },
  );
  expect(taken).toBeGreaterThan(50);
});

test("wifi-static: any text gives an answer of the schema, never an exception", () => {
  const texts = fc.oneof(v4, v6, fc.string(), fc.constantFrom("fe80::1%eth0", "::", "1.2.3", "192.168.1.5"));
  const prefixes = fc.oneof(
    fc.nat(200).map(String),
    fc.constantFrom("", "x", "024", "-1", "24/24", "255.255.255.0", "1e1"),
  );
  fc.assert(
    fc.property(texts, prefixes, texts, fc.array(texts, { maxLength: 3 }), (own, prefix, gateway, dns) => {
      const staticAddress = { address: `${own}/${prefix}`, gateway, dns };
      expect(Array.isArray(staticAddressProblems(staticAddress))).toBe(true);
      expect(typeof Network.safeParse({ staticAddress }).success).toBe("boolean");
    }),
  );
  for (const address of ["fe80::1%eth0/64", "192.168.1.5/024", "192.168.1.5/255.255.255.0", "192.168.1.5"])
    expect(Network.safeParse({ staticAddress: { address } }).success).toBe(false);
  expect(Network.safeParse({ staticAddress: { address: "fd12::5/64", gateway: "fe80::1%eth0" } }).success).toBe(false);
});

test("wifi-static: a Wi-Fi address applies to Wi-Fi links only, and its route comes after a cable's", () => {
  const [file] = networkdFiles({
    staticAddress: { interface: "wl*", address: "192.168.1.5/24", gateway: "192.168.1.1", dns: ["192.168.1.1"] },
  });
  const lines = file!.content.split("\n");
  for (const line of ["Name=wl*", "Address=192.168.1.5/24", "DNS=192.168.1.1", "IgnoreCarrierLoss=3s", "DHCP=no"])
    expect(lines).toContain(line);
  expect(file!.content).toContain("\n[Route]\nGateway=192.168.1.1\nMetric=2048\n");
  const [wired] = networkdFiles({
    staticAddress: { interface: "e*", address: "192.168.1.5/24", gateway: "192.168.1.1" },
  });
  expect(wired!.content).toContain("\n[Route]\nGateway=192.168.1.1\n");
  expect(wired!.content).not.toMatch(/Metric|IgnoreCarrierLoss/);
});
