// A queue of events in simulated time: earliest first; equal times keep the order in which they were added.
type Entry<T> = { at: number; order: number; what: T };

export class Agenda<T> {
  readonly #heap: Entry<T>[] = [];
  #asked = 0;

  add(at: number, what: T): void {
    const entry = { at, order: this.#asked++, what };
    let index = this.#heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(entry, this.#heap[parent]!)) break;
      this.#heap[index] = this.#heap[parent]!;
      index = parent;
    }
    this.#heap[index] = entry;
  }

  /** The next entry due at or before `until`. */
  next(until: number): { at: number; what: T } | undefined {
    const first = this.#heap[0];
    if (!first || first.at > until) return undefined;
    const last = this.#heap.pop()!;
    if (this.#heap.length > 0) this.#sink(last);
    return first;
  }

  #sink(entry: Entry<T>): void {
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      const right = this.#heap[child + 1];
      if (right && isBefore(right, this.#heap[child]!)) child++;
      const least = this.#heap[child];
      if (!least || !isBefore(least, entry)) break;
      this.#heap[index] = least;
      index = child;
    }
    this.#heap[index] = entry;
  }
}

const isBefore = (a: { at: number; order: number }, b: { at: number; order: number }): boolean =>
  a.at < b.at || (a.at === b.at && a.order < b.order);
