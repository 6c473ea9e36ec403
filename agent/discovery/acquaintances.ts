// Addresses from which a device proved to be a member. Whatever strangers do, these keep room. Pure but for its own table.
import { plainAddress } from "../../system/address.ts";

const maxRemembered = 256;

export class Acquaintances {
  readonly #met = new Set<string>();
  readonly #isMember: (address: string) => boolean;

  /** `isMember`: addresses known in another way, such as from members' records. */
  constructor(isMember: (address: string) => boolean = () => false) {
    this.#isMember = isMember;
  }

  met(address: string): void {
    const key = keyOf(address);
    // Back to the end: the address met longest ago is forgotten first.
    this.#met.delete(key);
    if (this.#met.size >= maxRemembered) this.#met.delete(this.#met.values().next().value!);
    this.#met.add(key);
  }

  knows(address: string): boolean {
    return this.#met.has(keyOf(address)) || this.#isMember(keyOf(address));
  }
}

/** Without its scope: only some sockets report one. */
const keyOf = (address: string) => plainAddress(address);
