import dns from "dns-packet";
import fc from "fast-check";
import { expect, test } from "vitest";
import { makeGate, questionsForUs } from "../../../agent/discovery/gate.ts";

const link = {
  name: "eth0",
  index: 2,
  addresses: [
    { address: "192.168.77.1", bits: 24 },
    { address: "fe80::1", bits: 64 },
  ],
};
function make({ known = [] as string[] } = {}) {
  let now = 0;
  let heard = 0;
  const isKnown = (address: string) => known.includes(address);
  const read = makeGate({ link, isKnown, onHeard: () => (heard += 1), now: () => now });
  return { read, heard: () => heard, pass: (ms: number) => (now += ms) };
}
const encode = (packet: object) => dns.encode({ id: 0, flags: 0, ...packet } as dns.Packet);
const query = encode({ type: "query", questions: [{ type: "PTR", name: "_hamlet._udp.local", class: "IN" }] });
const announcement = encode({
  type: "response",
  questions: [],
  answers: [{ type: "TXT", name: "attic-abcdefgh._hamlet._udp.local", ttl: 4500, data: ["v=1"] }],
});
const liar = Buffer.alloc(12, 0);
for (const at of [4, 6, 8, 10]) liar.writeUInt16BE(65_535, at);

test("passes packets from this link only, and only those responses that have our service", () => {
  const { read, heard } = make();
  expect(read(query, "192.168.77.9")).toMatchObject({ isResponse: false, questions: [{ type: "PTR" }] });
  expect(read(announcement, "fe80::9%eth0")).toMatchObject({ isResponse: true });
  expect(heard()).toBe(2);
  for (const address of ["203.0.113.5", "fe80::9%wlan0", "2001:db8::1"]) expect(read(query, address)).toBeUndefined();
  const other = { type: "PTR", name: "_ipp._tcp.local", ttl: 9, data: "printer._ipp._tcp.local" };
  expect(read(encode({ type: "response", questions: [], answers: [other] }), "192.168.77.9")).toBeUndefined();
  expect(read(query, "192.168.77.1")).toBeDefined();
  expect(heard()).toBe(3);
});

test("m2-attacker: drops lying packets unread, at no cost to honest ones from the same address", () => {
  const { read } = make();
  for (let n = 0; n < 10_000; n++) expect(read(liar, "192.168.77.10")).toBeUndefined();
  for (let n = 0; n < 100; n++) expect(read(query, "192.168.77.10")).toBeDefined();
});

test("no number of questions keeps an announcement out", () => {
  const { read } = make();
  for (let n = 0; n < 5_000; n++) read(query, `192.168.77.${10 + (n % 200)}`);
  expect(read(announcement, "192.168.77.250")).toBeDefined();
});

test("m3-agents: a flood of well-formed packets from many addresses leaves room for members and for a newcomer", () => {
  const floods = fc.record({
    sources: fc.integer({ min: 1, max: 200 }),
    perSecond: fc.integer({ min: 20, max: 3_000 }),
  });
  fc.assert(
    fc.property(floods, fc.constantFrom(query, announcement), ({ sources, perSecond }, packet) => {
      const { read, pass } = make({ known: ["192.168.77.2"] });
      let [members, granted] = [0, 0];
      const seconds = 8;
      for (let n = 0; n < seconds * perSecond; n++) {
        if (read(packet, `192.168.77.${10 + (n % sources)}`)) granted += 1;
        if (n % perSecond === 0 && read(packet, "192.168.77.2")) members += 1;
        pass(1_000 / perSecond);
      }
      expect(members).toBe(seconds);
      expect(granted).toBeLessThanOrEqual(300 + 100 * seconds);
      expect(read(packet, "192.168.77.250")).toBeDefined();
    }),
    { numRuns: 30 },
  );
});

test("takes a question once, however often a packet repeats it, and only if it is for us", () => {
  const ours = ["attic-abcdefgh._hamlet._udp.local", "attic.local"];
  const forty = Array.from({ length: 40 }, () => ({ name: "_Hamlet._udp.local", type: "PTR" }));
  const others = [
    { name: "attic.local", type: "AAAA" },
    { name: "attic.local", type: "257" },
    { name: "attic", type: "A" },
    { name: "_ipp._tcp.local", type: "PTR" },
  ];
  expect(questionsForUs([...forty, ...others], ours)).toEqual([forty[0], others[0]]);
});

test("no bytes from any address make the gate throw", () => {
  const { read } = make();
  const address = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom("fe80::1%eth0", "", "x", "192.168.77.300"));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), address, (bytes, from) => {
      read(Buffer.from(bytes), from);
    }),
  );
});
