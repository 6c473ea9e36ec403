// Orders: documents signed by the root or an operator, handed to any device by somebody who need not be a member. Each proves itself, so
// it makes no difference who brings it or how often.
import { type DocumentType, maxDocumentChars } from "../../provisioning/trust/jws.ts";
import { Refusal } from "../../provisioning/trust/refusal.ts";
import type { DocumentKind } from "../cluster/documents.ts";
import { digestOf } from "./documents.ts";
import { isOfType } from "./salvage.ts";

/** A kind of document that counts whoever brings it. */
export type OrderKind = DocumentKind & {
  type: DocumentType;
  /** Throws `Refusal` unless it would be taken. */
  check(jws: string): Promise<void>;
  /** Resolves to whether it was new. Throws `Refusal`, or `file.full` if it counts only once it is on disk. */
  take(jws: string): Promise<boolean>;
  /** Throws `file.full` unless all that were taken are on disk; absent if `take` does. */
  kept?(): Promise<void>;
  /** Whether one that is kept, by its id, has the say here; absent if each has. */
  counts?(id: string): boolean;
};

/** With what members' gossip needs: there a refusal is an answer. */
export const orderKind = (kind: Omit<OrderKind, "offer">): OrderKind => ({
  ...kind,
  async offer(jws) {
    try {
      return (await kind.take(jws)) ? "new" : "known";
    } catch (error) {
      if (error instanceof Refusal) return "refused";
      throw error;
    }
  },
});

/**
 * What became of one document. `counts`: it has the say here now, and no later one about the same thing, nor one that puts out who signed
 * it.
 */
export type Ordered = { kind: string; outcome: "new" | "known"; counts: boolean };
export type TakeOrders = (documents: readonly string[]) => Promise<Ordered[]>;

/**
 * Takes none of the documents and throws `Refusal` if one of them would not count by what is known. Else each is taken by itself: one that
 * another has overtaken, of these or of what comes meanwhile, does not count, and the answer says so. `kinds`: in the order in which they
 * are taken. `publish` tells the neighborhood of one that was new. Throws `file.full` if one could not be kept: those before it are taken.
 */
export function makeOrders(kinds: readonly OrderKind[], publish: (kind: string, id: string) => void): TakeOrders {
  return async (documents) => {
    const asked = documents.map((jws) => ({ jws, of: kindOf(kinds, jws) }));
    asked.sort((one, other) => kinds.indexOf(one.of) - kinds.indexOf(other.of));
    for (const { jws, of } of asked) await of.check(jws);
    const done: Ordered[] = [];
    for (const { jws, of } of asked) {
      const isNew = await takeOne(of, jws);
      const digest = digestOf(jws);
      const kept = of.summaries().find((summary) => summary.digest === digest);
      const counts = kept !== undefined && (of.counts?.(kept.id) ?? true);
      done.push({ kind: of.kind, outcome: isNew ? "new" : "known", counts });
      if (isNew && kept) publish(of.kind, kept.id);
    }
    for (const of of new Set(asked.map((one) => one.of))) await of.kept?.();
    return done;
  };
}

/** It was checked: whatever refuses it now came since. */
async function takeOne(of: OrderKind, jws: string): Promise<boolean> {
  try {
    return await of.take(jws);
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

function kindOf(kinds: readonly OrderKind[], jws: string): OrderKind {
  if (jws.length > maxDocumentChars) throw new Refusal("tooLarge", `a document of ${jws.length} characters`);
  const kind = kinds.find(({ type }) => isOfType(type)(jws));
  if (!kind)
    throw new Refusal("wrongType", `this is no order: a device takes ${kinds.map((of) => of.kind).join(", ")}`);
  if (jws.length > kind.maxChars) throw new Refusal("tooLarge", `a ${kind.kind} of ${jws.length} characters`);
  return kind;
}
