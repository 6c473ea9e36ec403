import dns from "dns-packet";
import fc from "fast-check";
import { expect, test } from "vitest";
import { holdsWhatItClaims, makeQuery, readDns } from "../../system/dns.ts";

type Sections = { questions?: object[]; answers?: object[]; authorities?: object[]; additionals?: object[] };
const encode = (type: "query" | "response", sections: Sections) =>
  dns.encode({ type, id: 0, flags: 0, questions: [], ...sections } as unknown as dns.Packet);
const name = "attic-abcdefgh._hamlet._udp.local";

/** Bytes that count how often a reader looks at them. */
function countLooks(bytes: Uint8Array, read: (bytes: Uint8Array) => unknown): number {
  let looks = 0;
  const watched = new Proxy(bytes, {
    get(target, key) {
      if (typeof key === "string" && /^\d+$/.test(key)) looks += 1;
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  read(watched);
  return looks;
}
const header = (counts: [number, number, number, number], rest = Buffer.alloc(0)) => {
  const head = Buffer.alloc(12);
  for (const [index, count] of counts.entries()) head.writeUInt16BE(count, 4 + 2 * index);
  return Buffer.concat([head, rest]);
};
/** One name of 120 labels, then questions of six bytes that point to it, each of which expands to 120 labels. */
function pointing(bytes: number): Buffer {
  const labels = Buffer.concat([Buffer.from("\x01a".repeat(120), "latin1"), Buffer.from([0, 0, 1, 0, 1])]);
  const pointer = Buffer.from([0xc0, 12, 0, 12, 0, 1]);
  const count = Math.floor((bytes - 12 - labels.length) / pointer.length);
  return header([count + 1, 0, 0, 0], Buffer.concat([labels, ...Array.from({ length: count }, () => pointer)]));
}

test("the answers of a well-behaved responder are read, even with compressed names", () => {
  const read = readDns(
    encode("response", {
      answers: [{ type: "PTR", name: "_hamlet._udp.local", ttl: 4500, data: name }],
      additionals: [
        { type: "SRV", name, ttl: 120, data: { port: 7780, target: "attic.local" } },
        { type: "TXT", name, ttl: 70_000, data: ["v=1", "n=0011aabb"] },
      ],
    }),
  );
  expect(read).toMatchObject({ isResponse: true, questions: [], answers: [{ type: "PTR", ttl: 4500 }] });
  expect(read?.additionals[1]).toMatchObject({ name, type: "TXT", ttl: 70_000 });
  expect(read?.additionals[1]?.data?.map(String)).toEqual(["v=1", "n=0011aabb"]);
  const compressed = header(
    [2, 0, 0, 0],
    Buffer.from("\x07_hamlet\x04_udp\x05local\x00\x00\x0c\x00\x01\x05attic\xc0\x19\x00\xff\x00\x01", "latin1"),
  );
  expect(readDns(compressed)?.questions).toEqual([
    { name: "_hamlet._udp.local", type: "PTR" },
    { name: "attic.local", type: "ANY" },
  ]);
});

test("a question of ours is one that a responder reads, and its answer has an address", () => {
  const question = { name: "attic.local", type: "A" };
  expect(readDns(makeQuery("attic.local"))).toMatchObject({ isResponse: false, questions: [question], answers: [] });
  const answer = { ...question, ttl: 120, data: "192.168.1.7" } as const;
  const heard = readDns(encode("response", { answers: [answer] }));
  expect(heard?.answers).toMatchObject([{ name: "attic.local", type: "A", address: "192.168.1.7" }]);
});

test("a dot inside a label does not split it", () => {
  const dotted = header([1, 0, 0, 0], Buffer.from("\x0chamlet.local\x00\x00\x01\x00\x01", "latin1"));
  expect(readDns(dotted)?.questions[0]?.name).toBe("hamlet\\.local");
});

test("m1-mdns-cost: a message that claims more than it can hold is refused at its header", () => {
  for (const counts of [
    [65_535, 65_535, 65_535, 65_535],
    [0, 0, 0, 65_535],
    [1, 0, 0, 0],
    [0, 1, 0, 0],
  ] as [number, number, number, number][]) {
    const liar = header(counts);
    expect(holdsWhatItClaims(liar)).toBe(false);
    expect(readDns(liar)).toBeUndefined();
    expect(countLooks(liar, readDns)).toBeLessThanOrEqual(12);
  }
});

test("m1-mdns-cost: compression does not multiply the work, at any packet size", () => {
  for (const bytes of [1_472, 8_972, 65_507]) {
    const packet = pointing(bytes);
    expect(readDns(packet)).toBeUndefined();
    expect(countLooks(packet, readDns)).toBeLessThan(4_096);
  }
});

test("pointers that lead forward, in a loop, into the header or out of the message are refused", () => {
  for (const pointer of [[0xc0, 12], [0xc0, 14], [0xc0, 200], [0xc0, 2], [0xc0]]) {
    expect(readDns(header([1, 0, 0, 0], Buffer.from([...pointer, 0, 1, 0, 1])))).toBeUndefined();
  }
  const circle = header([2, 0, 0, 0], Buffer.from([1, 97, 0xc0, 16, 0, 1, 0, 1, 0xc0, 12, 0, 1, 0, 1]));
  expect(readDns(circle)).toBeUndefined();
});

test("any bytes are read or refused, in work bounded by a small constant, and never with an exception", () => {
  const lengths = fc.constantFrom(12, 40, 600, 9_000);
  const noise = lengths.chain((maxLength) => fc.uint8Array({ maxLength, size: "max" }));
  // Noise alone seldom gets past the header; bytes that look like pointers, labels and small counts do.
  const likely = fc.array(fc.constantFrom(0, 0, 1, 2, 5, 12, 63, 97, 0xc0, 0xff), { maxLength: 600, size: "max" });
  const counts = fc.tuple(fc.nat(40), fc.nat(20), fc.nat(9), fc.nat(9));
  const shaped = fc.tuple(counts, likely).map(([some, rest]) => header(some, Buffer.from(rest)));
  const sound = encode("response", {
    answers: [{ type: "PTR", name: "_hamlet._udp.local", ttl: 4500, data: name }],
    additionals: [{ type: "TXT", name, ttl: 1, data: ["v=1", "n=0011aabb"] }],
  });
  const change = fc.tuple(fc.nat(sound.length - 1), fc.nat(255));
  const changed = fc.array(change, { maxLength: 3 }).map((changes) => {
    const bytes = Buffer.from(sound);
    for (const [at, value] of changes) bytes[at] = value;
    return bytes;
  });
  let understood = 0;
  fc.assert(
    fc.property(fc.oneof(noise, shaped, changed), (bytes) => {
      const read = readDns(bytes);
      if (read) understood += 1;
      expect(countLooks(bytes, readDns)).toBeLessThan(12_000);
    }),
    { numRuns: 1_000 },
  );
  expect(understood).toBeGreaterThan(0);
});

test("every message that a library encodes is read back unchanged", () => {
  const label = fc.stringMatching(/^[a-z0-9-]{1,20}$/);
  const names = fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => labels.join("."));
  const question = fc.record({ name: names, type: fc.constantFrom("A", "AAAA", "PTR", "SRV", "TXT", "ANY") });
  fc.assert(
    fc.property(fc.array(question, { maxLength: 40 }), (questions) => {
      expect(readDns(encode("query", { questions }))?.questions).toEqual(questions);
    }),
  );
});
