// Brings documents to this member: members tell of theirs by summary, and it fetches those that it lacks.
import type { Log } from "../../system/log.ts";
import type { Documents } from "./documents.ts";
import type { Summary } from "./messages.ts";

export type CourierOptions = {
  documents: Documents;
  fetch(from: string, kind: string, id: string): Promise<string>;
  /** Called with each document that was new to us: others may lack it too. */
  publish(summary: Summary): void;
  monotonic(): number;
  log: Log;
};

const AT_ONCE = 4;
const MOST_WAITING = 4_096;
const REFUSED_FOR_MS = 60_000; // then ask again: a pending device may be admitted, a missing document may have come
const MOST_REFUSED = 4_096;

const nameOf = ({ kind, id, number, digest }: Summary): string => `${kind} ${id} ${number} ${digest}`;
const subjectOf = ({ kind, id }: Summary): string => `${kind} ${id}`;

export class Courier {
  readonly #o: CourierOptions;
  readonly #waiting = new Map<string, { from: string; summary: Summary }>();
  readonly #underWay = new Set<string>();
  readonly #refused = new Map<string, number>();

  constructor(o: CourierOptions) {
    this.#o = o;
  }

  /** Fetches from member `from` those of the documents that this member lacks. */
  collect(from: string, summaries: readonly Summary[]): void {
    const held = new Map(this.#o.documents.summaries().map((summary) => [subjectOf(summary), summary]));
    for (const summary of summaries) {
      if (!this.#o.documents.knows(summary.kind)) continue;
      const own = held.get(subjectOf(summary));
      const isLacking = !own || summary.number > own.number || this.#contradicts(summary, own);
      const name = nameOf(summary);
      if (!isLacking || this.#underWay.has(name) || this.#isRefused(name)) continue;
      if (this.#waiting.size < MOST_WAITING) this.#waiting.set(name, { from, summary });
    }
    this.#work();
  }

  /** Equal numbers, different bytes: its kind must see both to judge. */
  #contradicts(summary: Summary, own: Summary): boolean {
    return summary.number === own.number && summary.digest !== own.digest;
  }

  #isRefused(name: string): boolean {
    return (this.#refused.get(name) ?? Number.NEGATIVE_INFINITY) > this.#o.monotonic() - REFUSED_FOR_MS;
  }

  #work(): void {
    for (const [name, { from, summary }] of this.#waiting) {
      if (this.#underWay.size >= AT_ONCE) return;
      this.#waiting.delete(name);
      this.#underWay.add(name);
      void this.#fetch(name, from, summary);
    }
  }

  async #fetch(name: string, from: string, summary: Summary): Promise<void> {
    const { documents, fetch, publish, log } = this.#o;
    const { kind, id } = summary;
    try {
      const outcome = await documents.offer(kind, await fetch(from, kind, id));
      const kept = documents.summaryOf(kind, id);
      if (outcome === "new" && kept) publish(kept);
      if (outcome !== "new") this.#refuse(name);
    } catch (error) {
      log.debug(`${kind} ${id} from ${from}: ${error instanceof Error ? error.message : error}`);
    } finally {
      this.#underWay.delete(name);
      this.#work();
    }
  }

  #refuse(name: string): void {
    this.#refused.delete(name);
    this.#refused.set(name, this.#o.monotonic());
    if (this.#refused.size > MOST_REFUSED) this.#refused.delete(this.#refused.keys().next().value!);
  }
}
