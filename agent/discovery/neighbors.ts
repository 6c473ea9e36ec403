// Neighbors seen lately, as hints: forgotten when they are silent, and never more of them than fit. Pure but for its own table.
import type { Sighting } from "./announcement.ts";

export type Neighbor = {
  /** Unknown for a seed: only its hello tells. */
  id?: string;
  name?: string;
  /** Where its packet came from, with %scope if it is link-local. */
  address: string;
  port: number;
  via: "mdns" | "seed";
  /** Another value than before means that the device started again or its links changed. */
  epoch?: string;
};
type Entry = { neighbor: Neighbor; heardAt: number };

const expireAfterMs = 5 * 60_000; // queries go out every 30 to 90 s: three of them stayed unanswered
const maxNeighbors = 256;
const maxPerAddress = 4; // one computer may run a few agents; it must not push out everybody else

export class Neighbors {
  readonly #entries = new Map<string, Entry>();

  /** Takes a sighting in. Undefined where there is no room for it. */
  hear(sighting: Sighting, address: string, now: number): Neighbor | undefined {
    const key = `${sighting.id} ${address}`;
    if (sighting.isGoodbye) {
      this.#entries.delete(key);
      return undefined;
    }
    const neighbor: Neighbor = {
      id: sighting.id,
      name: sighting.name,
      address,
      port: sighting.p,
      via: "mdns",
      epoch: sighting.e,
    };
    return this.#put(key, neighbor, now);
  }

  addSeed(address: string, port: number, now: number): Neighbor | undefined {
    return this.#put(`seed ${address} ${port}`, { address, port, via: "seed" }, now);
  }

  list(now: number): Neighbor[] {
    this.#expire(now);
    return [...this.#entries.values()].map(({ neighbor }) => neighbor);
  }

  #put(key: string, neighbor: Neighbor, now: number): Neighbor | undefined {
    if (!this.#entries.has(key)) {
      this.#expire(now);
      const sameAddress = [...this.#entries.values()].filter((entry) => entry.neighbor.address === neighbor.address);
      if (sameAddress.length >= maxPerAddress || this.#entries.size >= maxNeighbors) return undefined;
    }
    // Deleted first, so that the table stays in the order of hearing and expiry looks at its head only.
    this.#entries.delete(key);
    this.#entries.set(key, { neighbor, heardAt: now });
    return neighbor;
  }

  #expire(now: number): void {
    for (const [key, { heardAt }] of this.#entries) {
      if (now - heardAt < expireAfterMs) return;
      this.#entries.delete(key);
    }
  }
}
