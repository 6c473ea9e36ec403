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
  /** These go before all others. */
  hasEnded?(document: Document): boolean;
};

/** With one more document; the same if it changes nothing. Throws `Refusal`. */
export function addLatest<Document>(
  held: Latest<Document>,
  added: Document,
  { subjectOf, isAbove, ...rule }: Rule<Document>,
): Latest<Document> {
  const subject = subjectOf(added);
  const known = held.documents.get(subject);
  if (known !== undefined && !isAbove(added, known)) return held;
  if (known === undefined) refuseOutdated(rule.ageOf(added), held.floorMs);
  return withinBounds({ ...held, documents: new Map(held.documents).set(subject, added) }, subject, rule);
}

/** Throws `Refusal` if what was signed then may have ended and been forgotten. */
export function refuseOutdated(signedAt: number, floorMs: number): void {
  if (signedAt <= floorMs) throw outdated();
}

/** Without the oldest if there is one too many. Throws `Refusal` if that is `added`. */
export function withinBounds<Document>(
  { documents, floorMs }: Latest<Document>,
  added: string,
  { most, ageOf, hasEnded = () => false }: Pick<Rule<Document>, "most" | "ageOf" | "hasEnded">,
): Latest<Document> {
  if (documents.size <= most) return { documents, floorMs };
  const [gone, document] = [...documents].reduce((one, other) => {
    const endedFirst = Number(hasEnded(other[1])) - Number(hasEnded(one[1]));
    return endedFirst > 0 || (endedFirst === 0 && ageOf(other[1]) < ageOf(one[1])) ? other : one;
  });
  if (gone === added) throw outdated();
  const left = new Map(documents);
  left.delete(gone);
  return { documents: left, floorMs: Math.max(floorMs, ageOf(document)) };
}

const outdated = () => new Refusal("outdated", "an order older than all that are kept here");
