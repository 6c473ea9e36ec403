// Who may hold a connection to this member: each source a few, and all together a bounded number. The newest is let in; the
// oldest of whoever holds the most makes room, so that nobody shuts another out by doing nothing.
// Pure.

/** As many as a member opens to another. */
export const OF_ONE = 4;
const OF_ALL = 256;

export class Places<T> {
  readonly #close: (holder: T) => void;
  readonly #held = new Map<string, Set<T>>();
  #count = 0;

  constructor(close: (holder: T) => void) {
    this.#close = close;
  }

  take(source: string, holder: T): void {
    const own = this.#held.get(source) ?? new Set();
    this.#held.set(source, own);
    if (own.size >= OF_ONE) this.#evict(source, own);
    else if (this.#count >= OF_ALL) this.#evict(...this.#greediest());
    own.add(holder);
    this.#held.set(source, own);
    this.#count++;
  }

  free(source: string, holder: T): void {
    const own = this.#held.get(source);
    if (!own?.delete(holder)) return;
    this.#count--;
    if (own.size === 0) this.#held.delete(source);
  }

  #greediest(): [string, Set<T>] {
    let greediest: [string, Set<T>] = ["", new Set()];
    for (const one of this.#held) if (one[1].size > greediest[1].size) greediest = one;
    return greediest;
  }

  #evict(source: string, own: Set<T>): void {
    for (const oldest of own) {
      this.free(source, oldest);
      this.#close(oldest);
      return;
    }
  }
}
