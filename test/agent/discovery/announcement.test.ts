import { describe, expect, test } from "vitest";
import { instanceName, readSightings, serviceLabel } from "../../../agent/discovery/announcement.ts";

const id = "abcdefghijklmnopqrstuvwx23";
const items = { v: "1", n: "0011aabb", id, p: "7780", e: "c0ffee" };
const txt = (over: Record<string, string> = {}, name = `attic-${id.slice(0, 8)}._hamlet._udp.local`, ttl = 4500) => ({
  type: "TXT",
  name,
  ttl,
  data: Object.entries({ ...items, ...over }).map(([key, value]) => Buffer.from(`${key}=${value}`)),
});
const read = (...answers: ReturnType<typeof txt>[]) => readSightings({ answers, additionals: [] });

test("reads name, neighborhood, id, port and epoch from an announcement", () => {
  expect(read(txt())).toEqual([{ v: "1", n: "0011aabb", id, p: 7780, e: "c0ffee", name: "attic", isGoodbye: false }]);
  expect(read(txt({}, undefined, 0))[0]?.isGoodbye).toBe(true);
});

test("the instance name is a DNS label even for the longest name", () => {
  expect(instanceName("a".repeat(63), id)).toHaveLength(63);
  expect(read(txt({}, `${instanceName("a".repeat(63), id)}._hamlet._udp.local`))).toHaveLength(1);
});

describe("ignores an announcement with", () => {
  test.each([
    ["another version", { v: "2" }],
    ["no neighborhood", { n: "xyz" }],
    ["a malformed id", { id: "../../etc/passwd" }],
    ["port 0", { p: "0" }],
    ["a port above 65535", { p: "70000" }],
    ["a port that is not a number", { p: "7780; reboot" }],
    ["a malformed epoch", { e: "<script>" }],
  ])("%s", (_what, over) => expect(read(txt(over))).toEqual([]));

  test("a foreign service, a name with spaces, an upper-case name", () => {
    for (const name of [
      "attic._http._tcp.local",
      "my attic-abcdefgh._hamlet._udp.local",
      "ATTIC-abcdefgh._hamlet._udp.local",
    ]) {
      expect(read(txt({}, name))).toEqual([]);
    }
  });
  test("a TXT record without text", () => {
    const broken = { type: "TXT", name: txt().name, ttl: 1, data: undefined };
    expect(readSightings({ answers: [broken], additionals: [] })).toEqual([]);
  });
});

test("reads only the first few of a packet with a thousand devices", () => {
  expect(read(...Array.from({ length: 1_000 }, () => txt()))).toHaveLength(8);
});

test("the label equals the bytes in a packet", () => {
  expect(serviceLabel.toString("latin1")).toBe("\x07_hamlet\x04_udp");
});
