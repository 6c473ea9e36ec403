// Bounds connections by source: a few for each, and when all places are taken, the source with the most gives one up.
// Known devices have places of their own, which no number of strangers can take. Pure but for its own table.
import { sourceOf } from "../../system/address.ts";

type Limits = { perSource: number; strangers: number; known: number };
type Held = { source: string; isKnown: boolean };

export class Connections<Connection> {
  readonly #limits: Limits;
  readonly #isUnfinished: (connection: Connection) => boolean;
  /** Oldest first. */
  readonly #held = new Map<Connection, Held>();

  /** `isUnfinished`: the other side has not sent its whole request yet. */
  constructor(limits: Limits, isUnfinished: (connection: Connection) => boolean) {
    this.#limits = limits;
    this.#isUnfinished = isUnfinished;
  }

  /** Returns the connection to end: this one if its source has enough, another if all places are taken. */
  open(connection: Connection, address: string, isKnown = false): Connection | undefined {
    const source = sourceOf(address).key;
    const peers = [...this.#held].filter(([, held]) => held.isKnown === isKnown);
    if (peers.filter(([, held]) => held.source === source).length >= this.#limits.perSource) return connection;
    const isFull = peers.length >= (isKnown ? this.#limits.known : this.#limits.strangers);
    const yielding = isFull ? this.#oldestOfTheMost(peers, source) : undefined;
    if (yielding !== undefined) this.#held.delete(yielding);
    this.#held.set(connection, { source, isKnown });
    return yielding;
  }

  close(connection: Connection): void {
    this.#held.delete(connection);
  }

  /** Counts the newcomer for its source, so that a source that keeps connecting takes places from itself alone. */
  #oldestOfTheMost(peers: [Connection, Held][], newcomer: string): Connection | undefined {
    const counts = new Map<string, number>([[newcomer, 1]]);
    for (const [, { source }] of peers) counts.set(source, (counts.get(source) ?? 0) + 1);
    const most = Math.max(...peers.map(([, { source }]) => counts.get(source)!));
    const greedy = peers.filter(([, { source }]) => counts.get(source) === most).map(([connection]) => connection);
    return greedy.find(this.#isUnfinished) ?? greedy[0];
  }
}
