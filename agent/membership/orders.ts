// Orders of the owner, whose computer is no member: documents that the root has signed, handed to any device on the link. Each proves
// itself, so it makes no difference who brings it or how often.
import { type DocumentType, maxDocumentChars } from "../../provisioning/trust/jws.ts";
import { Refusal } from "../../provisioning/trust/refusal.ts";
import type { DocumentKind } from "../cluster/documents.ts";
import { digestOf } from "./documents.ts";
import type { Membership } from "./membership.ts";
import { isOfType } from "./salvage.ts";

/** What became of one document. */
export type Ordered = { kind: "adoption" | "revocation"; outcome: "new" | "known" };
export type TakeOrders = (documents: readonly string[]) => Promise<Ordered[]>;

type Order = { kind: Ordered["kind"]; type: DocumentType };
const orders: readonly Order[] = [
  { kind: "revocation", type: "hamlet-revocation" },
  { kind: "adoption", type: "hamlet-adoption" },
];

/**
 * Takes all of the documents or none: throws `Refusal` for the first that the root has not signed. `publish` tells the neighborhood
 * of one that was new.
 */
export function makeOrders(
  membership: Pick<Membership, "check" | "adopt" | "revoke">,
  kinds: readonly DocumentKind[],
  publish: (kind: string, id: string) => void,
): TakeOrders {
  const take = { adoption: membership.adopt, revocation: (jws: string) => membership.revoke([jws]) };
  return async (documents) => {
    const asked = documents.map((jws) => ({ jws, kind: kindOf(jws) }));
    // Who is out goes before who is in.
    asked.sort((one, other) => rank(one.kind) - rank(other.kind));
    for (const { jws, kind } of asked) await membership.check(kind, jws);
    const done: Ordered[] = [];
    for (const { jws, kind } of asked) {
      const isNew = await take[kind].call(membership, jws);
      done.push({ kind, outcome: isNew ? "new" : "known" });
      const digest = digestOf(jws);
      const kept = kinds
        .find((of) => of.kind === kind)
        ?.summaries()
        .find((summary) => summary.digest === digest);
      if (isNew && kept) publish(kind, kept.id);
    }
    return done;
  };
}

const rank = (kind: Ordered["kind"]): number => orders.findIndex((order) => order.kind === kind);

function kindOf(jws: string): Ordered["kind"] {
  if (jws.length > maxDocumentChars) throw new Refusal("tooLarge", `a document of ${jws.length} characters`);
  const order = orders.find(({ type }) => isOfType(type)(jws));
  if (order) return order.kind;
  throw new Refusal("wrongType", "this is no order: a device takes adoptions and revocations");
}
