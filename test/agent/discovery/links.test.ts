import type { NetworkInterfaceInfo } from "node:os";
import { describe, expect, test } from "vitest";
import { chooseLinks, isOnLink, notLinks } from "../../../agent/discovery/links.ts";

const ethernet = { index: 2, type: 1, flags: 0x1043 };
const info = (address: string, bits: number): NetworkInterfaceInfo =>
  ({ address, cidr: `${address}/${bits}`, internal: false, mac: "02:00:00:00:00:01" }) as NetworkInterfaceInfo;
const v4 = [info("192.168.1.7", 24)];
const choose = (name: string, fact: Partial<typeof ethernet> = {}, only?: string[]) =>
  chooseLinks({ [name]: v4 }, () => ({ ...ethernet, ...fact }), only).map((link) => link.name);

describe("a link is an interface where neighbors can be", () => {
  test("Ethernet and Wi-Fi are links", () => {
    expect(choose("eth0")).toEqual(["eth0"]);
    expect(choose("wlan0")).toEqual(["wlan0"]);
    expect(choose("enp3s0")).toEqual(["enp3s0"]);
  });
  test("WireGuard, PPP, container bridges and interfaces without multicast are not", () => {
    expect(choose("hamlet0", { type: 65534, flags: 0x10d1 })).toEqual([]);
    expect(choose("ppp0", { flags: 0x1051 })).toEqual([]);
    expect(choose("eth0", { flags: 0x43 })).toEqual([]);
    for (const name of ["docker0", "br-0123456789ab", "veth12ab", "virbr0", "cni0"]) expect(choose(name)).toEqual([]);
  });
  test("loopback is not, nor an interface that vanished meanwhile", () => {
    const lo = { ...info("127.0.0.1", 8), internal: true } as NetworkInterfaceInfo;
    expect(chooseLinks({ lo: [lo] }, () => ({ ...ethernet, type: 772 }))).toEqual([]);
    expect(chooseLinks({ eth0: v4 }, () => undefined)).toEqual([]);
  });
  test("a list in the configuration decides, but never includes a tunnel", () => {
    expect(choose("docker0", {}, ["docker0"])).toEqual(["docker0"]);
    expect(choose("eth0", {}, ["eth1"])).toEqual([]);
    expect(choose("hamlet0", { type: 65534 }, ["hamlet0"])).toEqual([]);
  });
  test("names in that list of no interface, or of a tunnel, are found", () => {
    const facts = (name: string) =>
      ({ eth0: ethernet, wg0: { ...ethernet, type: 65534 }, ppp0: { ...ethernet, flags: 0x1051 } })[name];
    expect(notLinks(["eth0", "etho", "wg0", "ppp0"], facts)).toEqual(["etho", "wg0", "ppp0"]);
  });
});

describe("a packet is from the link if its source is in one of the link's networks", () => {
  const link = {
    name: "eth0",
    index: 2,
    addresses: [
      { address: "192.168.1.7", bits: 24 },
      { address: "2001:db8:0:1::7", bits: 64 },
      { address: "fe80::7", bits: 64 },
    ],
  };
  test.each([
    ["192.168.1.200", true],
    ["192.168.2.200", false],
    ["8.8.8.8", false],
    ["2001:db8:0:1:ffff::1", true],
    ["2001:db8:0:2::1", false],
    ["fe80::1%eth0", true],
    ["fe80::1%eth1", false],
    ["garbage", false],
    ["", false],
  ])("%s: %s", (address, is) => expect(isOnLink(address, link)).toBe(is));
});
