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

test("a device is taken at its word: name, neighborhood, id, port, epoch", () => {
  expect(read(txt())).toEqual([{ v: "1", n: "0011aabb", id, p: 7780, e: "c0ffee", name: "attic", isGoodbye: false }]);
  expect(read(txt({}, undefined, 0))[0]?.isGoodbye).toBe(true);
});

test("its instance name is a DNS label, also for the longest name", () => {
  expect(instanceName("a".repeat(63), id)).toHaveLength(63);
  expect(read(txt({}, `${instanceName("a".repeat(63), id)}._hamlet._udp.local`))).toHaveLength(1);
});

describe("what does not follow the pattern is not there", () => {
  test.each([
    ["another version", { v: "2" }],
    ["no neighborhood", { n: "xyz" }],
    ["an id that is none", { id: "../../etc/passwd" }],
    ["port 0", { p: "0" }],
    ["a port beyond all ports", { p: "70000" }],
    ["a port that is no number", { p: "7780; reboot" }],
    ["an epoch that is none", { e: "<script>" }],
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

test("of a packet with a thousand devices only the first few count", () => {
  expect(read(...Array.from({ length: 1_000 }, () => txt()))).toHaveLength(8);
});

test("the label is what stands in a packet", () => {
  expect(serviceLabel.toString("latin1")).toBe("\x07_hamlet\x04_udp");
});
