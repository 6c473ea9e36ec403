// What the root orders about who is in and who is out.
import { maxDocumentChars } from "../../provisioning/trust/jws.ts";
import { digestOf } from "./documents.ts";
import type { Membership } from "./membership.ts";
import { type OrderKind, orderKind } from "./orders.ts";

/** Who is out. Each document is named by its digest. */
export const revocationKind = (membership: Membership): OrderKind =>
  orderKind({
    kind: "revocation",
    type: "hamlet-revocation",
    maxChars: maxDocumentChars,
    summaries: () =>
      membership
        .revocations()
        .documents.map(({ number, jws }) => ({ id: digestOf(jws), number, digest: digestOf(jws) })),
    get: (id) => membership.revocations().documents.find(({ jws }) => digestOf(jws) === id)?.jws,
    check: (jws) => membership.check("revocation", jws),
    take: (jws) => membership.revoke([jws]),
    kept: () => membership.kept("revocations"),
  });

/** Who is in, by the device's id. */
export const adoptionKind = (membership: Membership): OrderKind =>
  orderKind({
    kind: "adoption",
    type: "hamlet-adoption",
    maxChars: 4 << 10,
    summaries: () =>
      [...membership.adoptions()].map(([id, { adoption, jws }]) => ({
        ...{ id, number: adoption.issuedAt, digest: digestOf(jws) },
      })),
    get: (id) => membership.adoptions().get(id)?.jws,
    check: (jws) => membership.check("adoption", jws),
    take: (jws) => membership.adopt(jws),
    kept: () => membership.kept("adoptions"),
    counts: (id) => isIn(membership, id),
  });

/** Unless the root has turned the device away since. */
function isIn(membership: Membership, id: string): boolean {
  const [adopted, rejected] = [membership.adoptions().get(id), membership.rejections().get(id)];
  const isLater = adopted && rejected ? adopted.adoption.issuedAt > rejected.rejection.issuedAt : true;
  return isLater || membership.members().has(id);
}

/** Who is turned away for a day, by the device's id. */
export const rejectionKind = (membership: Membership): OrderKind =>
  orderKind({
    kind: "rejection",
    type: "hamlet-rejection",
    maxChars: 4 << 10,
    summaries: () =>
      [...membership.rejections()].map(([id, { rejection, jws }]) => ({
        ...{ id, number: rejection.issuedAt, digest: digestOf(jws) },
      })),
    get: (id) => membership.rejections().get(id)?.jws,
    check: (jws) => membership.check("rejection", jws),
    take: (jws) => membership.reject(jws),
    kept: () => membership.kept("rejections"),
    counts: (id) => !membership.members().has(id),
  });
