// The addresses from which somebody proved to belong: whatever strangers do, there is room for these. Pure but for its own table.
import { plainAddress } from "../../system/address.ts";

const maxRemembered = 256;

export class Acquaintances {
  readonly #met = new Set<string>();
  readonly #isMember: (address: string) => boolean;

  /** `isMember`: what is known from elsewhere, such as the addresses in members' records. */
  constructor(isMember: (address: string) => boolean = () => false) {
    this.#isMember = isMember;
  }

  met(address: string): void {
    const key = keyOf(address);
    // Put back at the end: the one met longest ago is forgotten first.
    this.#met.delete(key);
    if (this.#met.size >= maxRemembered) this.#met.delete(this.#met.values().next().value!);
    this.#met.add(key);
  }

  knows(address: string): boolean {
    return this.#met.has(keyOf(address)) || this.#isMember(keyOf(address));
  }
}

/** Without its scope: whether an address comes with one depends on the socket that tells. */
const keyOf = (address: string) => plainAddress(address);
