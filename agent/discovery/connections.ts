// Who is connected, counted by source: some for each, and where all places are taken the source with the most gives one up.
// Those who are known have places of their own, which no number of strangers takes. Pure but for its own table.
import { sourceOf } from "../../system/address.ts";

type Limits = { perSource: number; strangers: number; known: number };
type Held = { source: string; isKnown: boolean };

export class Connections<Connection> {
  readonly #limits: Limits;
  readonly #isUnfinished: (connection: Connection) => boolean;
  /** In the order of coming. */
  readonly #held = new Map<Connection, Held>();

  /** `isUnfinished`: the other side has not said all yet. */
  constructor(limits: Limits, isUnfinished: (connection: Connection) => boolean) {
    this.#limits = limits;
    this.#isUnfinished = isUnfinished;
  }

  /** The one to end for it: itself where its source has enough, another where all places are taken. */
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

  /** The newcomer's own source counts with it: who comes ever again takes from himself and not from others. */
  #oldestOfTheMost(peers: [Connection, Held][], newcomer: string): Connection | undefined {
    const counts = new Map<string, number>([[newcomer, 1]]);
    for (const [, { source }] of peers) counts.set(source, (counts.get(source) ?? 0) + 1);
    const most = Math.max(...peers.map(([, { source }]) => counts.get(source)!));
    const greedy = peers.filter(([, { source }]) => counts.get(source) === most).map(([connection]) => connection);
    return greedy.find(this.#isUnfinished) ?? greedy[0];
  }
}
