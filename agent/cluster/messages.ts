// The datagrams that members exchange, as JSON of at most 1,200 bytes, and the bodies of a full sync.
// Pure. A datagram names no sender: inside WireGuard its source address proves one.
import { z } from "zod";
import { isCharge, type News } from "./news.ts";

/** 1,280 is the least MTU of IPv6; 40 for its header and 8 for UDP leave 1,232. */
export const DATAGRAM_BYTES = 1_200;
/** Everything of a thousand members fits. More is not read: a longer body stops the receiver's loop while it is parsed. */
export const SYNC_BYTES = 256 << 10;
export const DOCUMENT_BYTES = 64 << 10;
/** The most news and summaries, together, in a message or a full sync. */
export const ELEMENTS = 2_048;
/** A full sync is taken in slices of this many elements, so that each turn checks at most twice as many signatures. */
export const SLICE = 32;

const Id = z.string().regex(/^[a-z2-7]{26}$/);
const Count = z.int().min(0).max(0xffff_ffff);
const Incarnation = z
  .int()
  .min(1)
  .max(2 ** 48);
const Signature = z.string().regex(/^[A-Za-z0-9_-]{86}$/);

const states = ["alive", "left", "suspect", "dead"];
const WireNews = z.union([
  z.tuple([z.enum(["alive", "left"]), Id, Incarnation, Signature]),
  z.tuple([z.enum(["suspect", "dead"]), Id, Incarnation, Signature, Id, Signature]),
]);

/** Names one edition of a signed document: `number` grows with each, `digest` identifies the bytes. */
export const Summary = z.object({
  kind: z.string().regex(/^[a-z][a-z-]{0,23}$/),
  id: z.string().regex(/^[A-Za-z0-9_.:-]{1,64}$/),
  number: z.int().min(0),
  digest: z.string().regex(/^[A-Za-z0-9_=-]{8,64}$/),
});
export type Summary = z.infer<typeof Summary>;
const WireSummary = z.tuple([
  z.literal("doc"),
  Summary.shape.kind,
  Summary.shape.id,
  Summary.shape.number,
  Summary.shape.digest,
]);

/** What rides on a message: news of members and summaries of documents. */
export type Freight = { news: News[]; documents: Summary[] };
export type Message = (
  | { type: "ping"; sequence: number }
  | { type: "ack"; sequence: number }
  | { type: "nack"; sequence: number }
  | { type: "ask"; sequence: number; target: string }
  | { type: "gossip" }
) &
  Freight;

// Each element is parsed by itself: a later release may send some that this one does not know.
const Elements = z.array(z.unknown()).max(ELEMENTS).default([]);
const Wire = z.discriminatedUnion("t", [
  z.object({ t: z.literal("ping"), n: Count, g: Elements }),
  z.object({ t: z.literal("ack"), n: Count, g: Elements }),
  z.object({ t: z.literal("nack"), n: Count, g: Elements }),
  z.object({ t: z.literal("ask"), n: Count, m: Id, g: Elements }),
  z.object({ t: z.literal("gossip"), g: Elements }),
]);
const Sync = z.object({ v: z.literal(1), g: Elements });

export function encodeMessage(message: Message): string {
  const riding = elementsOf(message);
  const g = riding.length > 0 ? { g: riding } : {};
  switch (message.type) {
    case "ping":
    case "ack":
    case "nack":
      return JSON.stringify({ t: message.type, n: message.sequence, ...g });
    case "ask":
      return JSON.stringify({ t: "ask", n: message.sequence, m: message.target, ...g });
    case "gossip":
      return JSON.stringify({ t: "gossip", ...g });
  }
}

/** Undefined if the bytes are no message. */
export function decodeMessage(bytes: Uint8Array): Message | undefined {
  if (bytes.length > DATAGRAM_BYTES) return undefined;
  const parsed = Wire.safeParse(jsonOf(bytes));
  if (!parsed.success) return undefined;
  const wire = parsed.data;
  const freight = freightOf(wire.g);
  switch (wire.t) {
    case "ping":
    case "ack":
    case "nack":
      return { type: wire.t, sequence: wire.n, ...freight };
    case "ask":
      return { type: "ask", sequence: wire.n, target: wire.m, ...freight };
    case "gossip":
      return { type: "gossip", ...freight };
  }
}

export const encodeSync = (freight: Freight): string => JSON.stringify({ v: 1, g: elementsOf(freight) });

/** A full sync in slices, each parsed when it is asked for; undefined if the bytes are none. */
export function decodeSync(bytes: Uint8Array): Iterable<Freight> | undefined {
  if (bytes.length > SYNC_BYTES) return undefined;
  const parsed = Sync.safeParse(jsonOf(bytes));
  return parsed.success ? slices(parsed.data.g) : undefined;
}

function* slices(elements: unknown[]): Iterable<Freight> {
  for (let at = 0; at < elements.length; at += SLICE) yield freightOf(elements.slice(at, at + SLICE));
}

/** How many bytes this freight adds to a message, commas included. */
export function weigh(freight: Partial<Freight>): number {
  return JSON.stringify(elementsOf({ news: [], documents: [], ...freight })).length - 1;
}

function elementsOf({ news, documents }: Freight): unknown[] {
  const accounts = news.map((n) => {
    const claim = [n.state, n.id, n.incarnation, n.signature];
    return isCharge(n) ? [...claim, n.by, n.proof] : claim;
  });
  // A full sync is taken in slices: what the owner has signed comes first.
  return [...documents.map(({ kind, id, number, digest }) => ["doc", kind, id, number, digest]), ...accounts];
}

function freightOf(elements: unknown[]): Freight {
  const freight: Freight = { news: [], documents: [] };
  for (const element of elements) {
    // Six hundred elements fit into a datagram: look at the kind first, so that an unknown one costs no schema.
    const kindOf = Array.isArray(element) ? element[0] : undefined;
    if (kindOf === "doc") {
      const summary = WireSummary.safeParse(element);
      if (!summary.success) continue;
      const [, kind, documentId, number, digest] = summary.data;
      freight.documents.push({ kind, id: documentId, number, digest });
    } else if (states.includes(kindOf)) {
      const news = WireNews.safeParse(element);
      if (!news.success) continue;
      const [state, id, incarnation, signature, by, proof] = news.data;
      const charge = by === undefined ? {} : { by, proof };
      freight.news.push({ state, id, incarnation, signature, ...charge } as News);
    }
  }
  return freight;
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
