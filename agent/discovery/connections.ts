// Who is connected, counted by source: some for each, and where all places are taken the source with the most gives one up.
// Pure but for its own table.
import { sourceOf } from "./limiter.ts";

type Limits = { perSource: number; total: number };

export class Connections<Connection> {
  readonly #limits: Limits;
  readonly #isIdle: (connection: Connection) => boolean;
  /** In the order of coming. */
  readonly #sources = new Map<Connection, string>();

  /** `isIdle`: nothing is being answered on it. */
  constructor(limits: Limits, isIdle: (connection: Connection) => boolean) {
    this.#limits = limits;
    this.#isIdle = isIdle;
  }

  /** The one to end for it: itself where its source has enough, another where all places are taken. */
  open(connection: Connection, address: string): Connection | undefined {
    const source = sourceOf(address);
    if (this.#of(source).length >= this.#limits.perSource) return connection;
    const yielding = this.#sources.size >= this.#limits.total ? this.#oldestOfTheMost(source) : undefined;
    if (yielding !== undefined) this.#sources.delete(yielding);
    this.#sources.set(connection, source);
    return yielding;
  }

  close(connection: Connection): void {
    this.#sources.delete(connection);
  }

  #of(source: string): Connection[] {
    return [...this.#sources].filter(([, its]) => its === source).map(([connection]) => connection);
  }

  /** The newcomer's own source counts with it: who comes ever again takes from himself and not from others. */
  #oldestOfTheMost(newcomer: string): Connection | undefined {
    const counts = new Map<string, number>([[newcomer, 1]]);
    for (const source of this.#sources.values()) counts.set(source, (counts.get(source) ?? 0) + 1);
    const held = [...this.#sources].map(([connection, source]) => ({ connection, count: counts.get(source)! }));
    const most = Math.max(...held.map(({ count }) => count));
    const greedy = held.filter(({ count }) => count === most).map(({ connection }) => connection);
    return greedy.find(this.#isIdle) ?? greedy[0];
  }
}
