import { expect, test } from "vitest";
import { parseSeed } from "../../../agent/discovery/seeds.ts";

test.each([
  ["attic.example.org", { host: "attic.example.org", port: 7780 }],
  ["attic.example.org:99", { host: "attic.example.org", port: 99 }],
  ["192.0.2.1:7781", { host: "192.0.2.1", port: 7781 }],
  ["[2001:db8::1]:7781", { host: "2001:db8::1", port: 7781 }],
  ["[fe80::1%eth0]", { host: "fe80::1%eth0", port: 7780 }],
  [`[2001:db8::1]:7781#${"k".repeat(43)}`, { host: "2001:db8::1", port: 7781, wireguardKey: "k".repeat(43) }],
  ["attic#short", undefined],
  ["attic:0", undefined],
  ["attic:70000", undefined],
  ["192.168.1.300:7780", undefined],
  ["192.168.1:7780", undefined],
  ["[::::]:7780", undefined],
  ["[192.0.2.1]:7780", undefined],
  ["1and1.example:7780", { host: "1and1.example", port: 7780 }],
  ["http://attic/", undefined],
  ["", undefined],
])("seed %s", (text, seed) => expect(parseSeed(text, 7780)).toEqual(seed));
