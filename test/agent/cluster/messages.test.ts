import { expect, test } from "vitest";
import {
  DATAGRAM_BYTES,
  decodeMessage,
  decodeSync,
  encodeMessage,
  encodeSync,
  SLICE,
  SYNC_BYTES,
  weigh,
} from "../../../agent/cluster/messages.ts";
import { attic, cellar, news } from "./folks.ts";

const record = { kind: "record", id: cellar, number: 12, digest: "d".repeat(43) };
const bytesOf = (value: unknown) => Buffer.from(JSON.stringify(value));

test("an idle probe is a few bytes", () => {
  const ping = encodeMessage({ type: "ping", sequence: 4_711, news: [], documents: [] });
  expect(ping).toBe('{"t":"ping","n":4711}');
});

test("freight weighs what weigh() says, and reads back", () => {
  const message = {
    type: "gossip",
    news: [news(attic, "alive", 3), news(cellar, "dead", 2)],
    documents: [record],
  } as const;
  const bare = encodeMessage({ type: "gossip", news: [], documents: [] });
  const text = encodeMessage({ ...message, news: [...message.news], documents: [...message.documents] });
  expect(decodeMessage(Buffer.from(text))).toEqual(message);
  const foretold =
    weigh({ news: [message.news[0]!] }) + weigh({ news: [message.news[1]!] }) + weigh({ documents: [record] });
  expect(text.length).toBeLessThanOrEqual(bare.length + foretold + '"g":[],'.length);
});

test("passes over elements of a kind that this release does not know", () => {
  const known = ["alive", attic, 3, news(attic, "alive", 3).signature];
  const decoded = decodeMessage(bytesOf({ t: "gossip", g: [["lease", 1], known, 7], later: true }));
  expect(decoded).toEqual({ type: "gossip", news: [news(attic, "alive", 3)], documents: [] });
});

test.each([
  ["longer than a datagram may be", { t: "gossip", g: ["x".repeat(DATAGRAM_BYTES)] }],
  ["of another type", { t: "shout", n: 1 }],
  ["without a sequence number", { t: "ping" }],
  ["with a negative sequence number", { t: "ack", n: -1 }],
  ["that asks for something that is no id", { t: "ask", n: 1, m: "../../etc" }],
])("a message %s is none", (_, value) => {
  expect(decodeMessage(bytesOf(value))).toBeUndefined();
});

test.each([
  ["incarnation zero", ["alive", attic, 0, "A".repeat(86)]],
  ["an accusation without accuser", ["dead", attic, 1, "A".repeat(86)]],
  ["an accusation that its accuser did not sign", ["dead", attic, 1, "A".repeat(86), cellar]],
  ["a short signature", ["alive", attic, 1, "A".repeat(85)]],
  ["an id that is a path", ["doc", "record", "../passwd", 1, "d".repeat(43)]],
])("news with %s is passed over", (_, element) => {
  expect(decodeMessage(bytesOf({ t: "gossip", g: [element] }))).toEqual({ type: "gossip", news: [], documents: [] });
});

test("a full sync reads back; one of another version is refused", () => {
  const freight = { news: [news(attic, "left", 3)], documents: [record] };
  expect([...decodeSync(Buffer.from(encodeSync(freight)))!]).toEqual([freight]);
  expect(decodeSync(bytesOf({ v: 2, g: [] }))).toBeUndefined();
});

test("a full sync comes in slices, and a longer one than the limit is not parsed", () => {
  const all = { news: Array.from({ length: SLICE + 1 }, () => news(attic, "alive", 3)), documents: [] };
  const slices = [...decodeSync(Buffer.from(encodeSync(all)))!];
  expect(slices.map((slice) => slice.news.length)).toEqual([SLICE, 1]);
  expect(decodeSync(Buffer.from(encodeSync({ news: [], documents: [] }).padEnd(SYNC_BYTES + 1)))).toBeUndefined();
});
