// The kinds of documents that members pass on: how each is verified and kept, and how long it may be.
import { maxDocumentChars, digestOf as wholeDigestOf } from "../../provisioning/trust/jws.ts";
import { maxRecordChars } from "../../provisioning/trust/record.ts";
import { Refusal } from "../../provisioning/trust/refusal.ts";
import type { DocumentKind } from "../cluster/documents.ts";
import type { Identity } from "../identity.ts";
import type { Membership } from "./membership.ts";

/** A member's own word about itself. */
export const recordKind = (membership: Membership, identity: Identity): DocumentKind => ({
  kind: "record",
  maxChars: maxRecordChars,
  summaries() {
    const others = [...membership.members().values()].map(({ record: { id, number }, jws }) => ({ id, number, jws }));
    const all = [...others, { id: identity.id, number: identity.number, jws: identity.jws }];
    return all.map(({ id, number, jws }) => ({ id, number, digest: digestOf(jws) }));
  },
  get: (id) => (id === identity.id ? identity.jws : membership.members().get(id)?.jws),
  async offer(record) {
    const outcome = await membership.receive({ record });
    if (outcome.kind === "self") return "known";
    if (outcome.kind !== "member") return "refused";
    return outcome.isNews ? "new" : "known";
  },
});

/** The root's word about who is out. Each is named by its digest. */
export const revocationKind = (membership: Membership): DocumentKind => ({
  kind: "revocation",
  maxChars: maxDocumentChars,
  summaries: () =>
    membership.revocations().documents.map(({ number, jws }) => ({ id: digestOf(jws), number, digest: digestOf(jws) })),
  get: (id) => membership.revocations().documents.find(({ jws }) => digestOf(jws) === id)?.jws,
  offer: async (jws) => ((await membership.revoke([jws])) ? "new" : "known"),
});

/** The root's word about who is in, by the device's id. */
export const adoptionKind = (membership: Membership): DocumentKind => ({
  kind: "adoption",
  maxChars: 4 << 10,
  summaries: () =>
    [...membership.adoptions()].map(([id, { adoption, jws }]) => ({
      ...{ id, number: adoption.issuedAt, digest: digestOf(jws) },
    })),
  get: (id) => membership.adoptions().get(id)?.jws,
  async offer(jws) {
    try {
      return (await membership.adopt(jws)) ? "new" : "known";
    } catch (error) {
      if (error instanceof Refusal) return "refused";
      throw error;
    }
  },
});

/** Every full sync and every summary that is heard asks for the digests of all documents. */
const digests = new Map<string, string>();

/** By which members compare what they hold: long enough for that, and short in a datagram. */
export function digestOf(jws: string): string {
  const known = digests.get(jws);
  if (known !== undefined) return known;
  if (digests.size >= 4_096) digests.clear();
  const digest = wholeDigestOf(jws).slice(0, 22);
  digests.set(jws, digest);
  return digest;
}
