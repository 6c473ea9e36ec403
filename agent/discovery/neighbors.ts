// Neighbors seen lately, as hints. Forgets the silent, and keeps a bounded number: a neighbor that never answered a hello makes room
// first. Pure but for its own table.
import type { Sighting } from "./announcement.ts";

export type Neighbor = {
  /** Unknown for a seed until it answers a hello. */
  id?: string;
  name?: string;
  /** Where its packet came from, with %scope if link-local. */
  address: string;
  port: number;
  via: "mdns" | "seed";
  /** The seed's, for hellos beyond the link. */
  wireguardKey?: string;
  /** A new value means that the device restarted or its links changed. */
  epoch?: string;
};
type Entry = { neighbor: Neighbor; sightedAt: number; hasAnswered: boolean };

const expireAfterMs = 5 * 60_000; // queries go out every 30 to 90 s: about three stayed unanswered
const maxNeighbors = 256;
const maxPerAddress = 4; // one computer may run a few agents, but must not displace all others

export class Neighbors {
  readonly #entries = new Map<string, Entry>();

  /** Takes in a sighting. Returns undefined for a goodbye. */
  sight(sighting: Sighting, address: string, now: number): Neighbor | undefined {
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

  addSeed(address: string, port: number, now: number, wireguardKey?: string): Neighbor | undefined {
    const neighbor: Neighbor = { address, port, via: "seed", ...(wireguardKey && { wireguardKey }) };
    return this.#put(`seed ${address} ${port}`, neighbor, now);
  }

  /** A hello got through between us and `address`. */
  answered(address: string): void {
    for (const entry of this.#entries.values()) if (entry.neighbor.address === address) entry.hasAnswered = true;
  }

  list(now: number): Neighbor[] {
    this.#expire(now);
    return [...this.#entries.values()].map(({ neighbor }) => neighbor);
  }

  #put(key: string, neighbor: Neighbor, now: number): Neighbor | undefined {
    const known = this.#entries.get(key);
    if (!known) {
      this.#expire(now);
      const all = [...this.#entries];
      const sameAddress = all.filter(([, entry]) => entry.neighbor.address === neighbor.address);
      if (sameAddress.length >= maxPerAddress) this.#makeRoom(sameAddress);
      else if (all.length >= maxNeighbors) this.#makeRoom(all);
    }
    // Deleted first, so that the table stays in the order of hearing and expiry looks at its head only.
    this.#entries.delete(key);
    this.#entries.set(key, { neighbor, sightedAt: now, hasAnswered: known?.hasAnswered ?? false });
    return neighbor;
  }

  /** Never refuses a newcomer: free, forged packets would otherwise keep every real neighbor out, even at its own address. */
  #makeRoom(among: [string, Entry][]): void {
    const [key] = among.find(([, { hasAnswered }]) => !hasAnswered) ?? among[0]!;
    this.#entries.delete(key);
  }

  #expire(now: number): void {
    for (const [key, { sightedAt }] of this.#entries) {
      if (now - sightedAt < expireAfterMs) return;
      this.#entries.delete(key);
    }
  }
}
