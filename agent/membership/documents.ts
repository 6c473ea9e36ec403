// The kind of document that each member signs about itself, and how members compare documents.
import { digestOf as wholeDigestOf } from "../../provisioning/trust/jws.ts";
import { maxRecordChars } from "../../provisioning/trust/record.ts";
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
  isDue: (id) => membership.mayRenew(id),
  get: (id) => (id === identity.id ? identity.jws : membership.members().get(id)?.jws),
  async offer(record) {
    const outcome = await membership.receive({ record });
    if (outcome.kind === "self") return "known";
    if (outcome.kind !== "member") return "refused";
    return outcome.isNews ? "new" : "known";
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
