// The newest document about each subject, of a bounded number of subjects. The oldest goes when there are too many, and nothing as old as
// that is taken again: what has ended does not come back because somebody tells of it once more.
// Pure.
import { Refusal } from "../../provisioning/trust/refusal.ts";

export type Latest<Document> = { documents: ReadonlyMap<string, Document>; floorMs: number };
export const none = { documents: new Map(), floorMs: 0 } as const;

export type Rule<Document> = {
  most: number;
  subjectOf(document: Document): string;
  /** When it was signed, ms since 1970. */
  ageOf(document: Document): number;
  /** Of two about one subject. */
  isAbove(one: Document, other: Document): boolean;
  /** The keys of those whose word it is. */
  signersOf(document: Document): readonly string[];
  /** These go before all others but those of revoked operators. */
  hasEnded?(document: Document): boolean;
};
/** `revoked`: the keys of operators whose documents make room first. */
export type Moment = { nowMs: number; revoked: ReadonlySet<string> };

/** With one more document; the same if it changes nothing. Throws `Refusal`. */
export function addLatest<Document>(
  held: Latest<Document>,
  added: Document,
  { subjectOf, isAbove, ...rule }: Rule<Document>,
  moment: Moment,
): Latest<Document> {
  const subject = subjectOf(added);
  const known = held.documents.get(subject);
  if (known !== undefined && !isAbove(added, known)) return held;
  if (known === undefined) refuseOutdated(rule.ageOf(added), held.floorMs);
  const [within, gone] = withinBounds(
    { ...held, documents: new Map(held.documents).set(subject, added) },
    rule,
    moment,
  );
  if (gone === subject) throw outdated();
  return within;
}

export const outdated = () => new Refusal("outdated", "an order older than all that are kept here");

/** Throws `Refusal` if what was signed then may have ended and been forgotten. */
export function refuseOutdated(signedAt: number, floorMs: number): void {
  if (signedAt <= floorMs) throw outdated();
}

/** Without the oldest if there is one too many, and the subject of that. */
export function withinBounds<Document>(
  { documents, floorMs }: Latest<Document>,
  { most, ageOf, signersOf, hasEnded = () => false }: Omit<Rule<Document>, "subjectOf" | "isAbove">,
  { nowMs, revoked }: Moment,
): [Latest<Document>, gone?: string] {
  if (documents.size <= most) return [{ documents, floorMs }];
  const isRevoked = (document: Document) => signersOf(document).every((key) => revoked.has(key));
  const weightOf = (document: Document) => (isRevoked(document) ? 2 : hasEnded(document) ? 1 : 0);
  const [gone, document] = [...documents].reduce((one, other) => {
    const goesFirst = weightOf(other[1]) - weightOf(one[1]);
    return goesFirst > 0 || (goesFirst === 0 && ageOf(other[1]) < ageOf(one[1])) ? other : one;
  });
  const left = new Map(documents);
  left.delete(gone);
  // Whoever signs chooses the date: one in the future would keep out every later order, and one who is revoked keeps out nothing.
  const raisedMs = isRevoked(document) ? 0 : Math.min(ageOf(document), nowMs);
  return [{ documents: left, floorMs: Math.max(floorMs, raisedMs) }, gone];
}
