// How often what is said in answer to mDNS questions: each record set once a second on a link (RFC 6762 6), so that whoever asks for one
// takes nothing from those who ask for another. What was said within the second is owed, and said again when the second is over.
// Pure but for its own table.

type Named = { name: string; type: string };

const secondMs = 1_000;

export class Answers<Entry extends Named> {
  readonly #saidAt = new Map<string, number>();
  readonly #owed = new Map<string, Entry[]>();

  /** Of the records that answer a question: those to say now. `now` is monotonic, in ms. */
  ask(records: readonly Entry[], now: number): Entry[] {
    const said: Entry[] = [];
    for (const [key, set] of bySet(records)) {
      if (this.#isFree(key, now)) said.push(...this.#say(key, set, now));
      else this.#owed.set(key, set);
    }
    return said;
  }

  /** Of what may go along with an answer: what was not said within the second. Nobody is owed it. */
  add(records: readonly Entry[], now: number): Entry[] {
    return [...bySet(records)].flatMap(([key, set]) => (this.#isFree(key, now) ? this.#say(key, set, now) : []));
  }

  /** What is owed and may be said now. */
  due(now: number): Entry[] {
    return [...this.#owed].flatMap(([key, set]) => (this.#isFree(key, now) ? this.#say(key, set, now) : []));
  }

  /** When the next of what is owed may be said. */
  dueAt(): number | undefined {
    const times = [...this.#owed.keys()].map((key) => this.#saidAt.get(key)! + secondMs);
    return times.length > 0 ? Math.min(...times) : undefined;
  }

  #isFree(key: string, now: number): boolean {
    return now - (this.#saidAt.get(key) ?? Number.NEGATIVE_INFINITY) >= secondMs;
  }

  #say(key: string, set: Entry[], now: number): Entry[] {
    this.#saidAt.set(key, now);
    this.#owed.delete(key);
    return set;
  }
}

function bySet<Entry extends Named>(records: readonly Entry[]): Map<string, Entry[]> {
  const sets = new Map<string, Entry[]>();
  for (const record of records) {
    const key = `${record.name.toLowerCase()} ${record.type}`;
    sets.set(key, [...(sets.get(key) ?? []), record]);
  }
  return sets;
}
