// Limits mDNS answers: each record set once a second on a link (RFC 6762 6), so that questions for one take nothing from another.
// A set that was sent within the last second is owed, and sent when the second is over.
// Pure but for its own table.

type Named = { name: string; type: string };

const secondMs = 1_000;

export class Answers<Entry extends Named> {
  readonly #sentAt = new Map<string, number>();
  readonly #owed = new Map<string, Entry[]>();

  /** Of the records that answer a question, those to send now. `now` is monotonic, in ms. */
  ask(records: readonly Entry[], now: number): Entry[] {
    const sent: Entry[] = [];
    for (const [key, set] of bySet(records)) {
      if (this.#isFree(key, now)) sent.push(...this.#send(key, set, now));
      else this.#owed.set(key, set);
    }
    return sent;
  }

  /** Of the records that may accompany an answer, those not sent within the last second. The others are not owed. */
  add(records: readonly Entry[], now: number): Entry[] {
    return [...bySet(records)].flatMap(([key, set]) => (this.#isFree(key, now) ? this.#send(key, set, now) : []));
  }

  /** Owed records that may be sent now. */
  due(now: number): Entry[] {
    return [...this.#owed].flatMap(([key, set]) => (this.#isFree(key, now) ? this.#send(key, set, now) : []));
  }

  /** When the next owed record may be sent. */
  dueAt(): number | undefined {
    const times = [...this.#owed.keys()].map((key) => this.#sentAt.get(key)! + secondMs);
    return times.length > 0 ? Math.min(...times) : undefined;
  }

  #isFree(key: string, now: number): boolean {
    return now - (this.#sentAt.get(key) ?? Number.NEGATIVE_INFINITY) >= secondMs;
  }

  #send(key: string, set: Entry[], now: number): Entry[] {
    this.#sentAt.set(key, now);
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
