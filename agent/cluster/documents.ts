// The kinds of signed documents that members exchange: how each is verified, and how long it may be.
import type { Summary } from "./messages.ts";

/** One kind of signed document that members pass on. */
export type DocumentKind = {
  kind: string;
  /** A longer document of this kind is refused unread. */
  maxChars: number;
  /** Those that this member holds. */
  summaries(): Omit<Summary, "kind">[];
  get(id: string): string | undefined;
  /** Whether a newer one would be taken now; absent if always. What is passed over is told again. */
  isDue?(id: string): boolean;
  /** Verifies and keeps; resolves to "new" if something changed. */
  offer(jws: string): Promise<"new" | "known" | "refused">;
};

/** Every kind that this release knows. A later release may tell of others: those are passed over, never fetched or handed on. */
export class Documents {
  readonly #kinds: ReadonlyMap<string, DocumentKind>;

  constructor(kinds: readonly DocumentKind[]) {
    this.#kinds = new Map(kinds.map((kind) => [kind.kind, kind]));
  }

  knows(kind: string): boolean {
    return this.#kinds.has(kind);
  }

  summaries(): Summary[] {
    return [...this.#kinds.values()].flatMap((of) => of.summaries().map((summary) => ({ kind: of.kind, ...summary })));
  }

  summaryOf(kind: string, id: string): Summary | undefined {
    const summary = this.#kinds
      .get(kind)
      ?.summaries()
      .find((one) => one.id === id);
    return summary && { kind, ...summary };
  }

  isDue({ kind, id }: Pick<Summary, "kind" | "id">): boolean {
    return this.#kinds.get(kind)?.isDue?.(id) ?? true;
  }

  get(kind: string, id: string): string | undefined {
    return this.#kinds.get(kind)?.get(id);
  }

  async offer(kind: string, jws: string): Promise<"new" | "known" | "refused"> {
    const of = this.#kinds.get(kind);
    return of && jws.length <= of.maxChars ? of.offer(jws) : "refused";
  }
}
