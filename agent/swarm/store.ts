// What the two sides of the swarm share: what is kept, what is being fetched, and this device's own way to the repositories.
import { unpackObject } from "../../ota/format/unpack.ts";
import type { Clock } from "../../system/clock.ts";
import { HamletError } from "../../system/error.ts";
import { Downloads } from "./downloads.ts";
import { isRightFile, type Wanted } from "./question.ts";
import type { Shelf } from "./shelf.ts";
import type { Slots } from "./slots.ts";
import { Way } from "./way.ts";

export type How = {
  signal: AbortSignal;
  onCarried(bytes: number): void;
  /** Another member asks for it, and may ask for what there never was. */
  isForAnother?: boolean;
};
/** From the repositories. Throws what they throw, and what `accept` throws if another repository has no better ones. */
export type Web = <T>(wanted: Wanted, how: How, accept: (bytes: Buffer) => Promise<T>) => Promise<T>;

export class Store {
  readonly shelf: Shelf;
  readonly slots: Slots | undefined;
  readonly way = new Way();
  readonly downloads = new Downloads();
  readonly #web: Web;
  readonly #clock: Clock;

  constructor({ shelf, slots, web, clock }: { shelf: Shelf; slots?: Slots; web: Web; clock: Clock }) {
    this.shelf = shelf;
    this.slots = slots;
    this.#web = web;
    this.#clock = clock;
  }

  /** Whether to fetch from the web now: whoever is told yes does so. */
  mayFetch(): boolean {
    return this.way.mayTry(this.#clock.monotonic());
  }

  /** From the web, noting whether the way to it works. */
  async fetch<T>(wanted: Wanted, how: How, accept: (bytes: Buffer) => Promise<T>): Promise<T> {
    try {
      const result = await this.#web(wanted, how, accept);
      this.way.worked();
      return result;
    } catch (error) {
      if (isCode(error, "update.notThere")) this.way.worked();
      if (isCode(error, "update.unreachable")) this.way.broke(this.#clock.monotonic());
      throw error;
    }
  }
}

export const isCode = (error: unknown, ...codes: HamletError["code"][]): boolean =>
  error instanceof HamletError && codes.includes(error.code);

/** Throws `update.badObject` for what certainly is not what its name says. */
export async function verify(wanted: Wanted, bytes: Buffer): Promise<void> {
  switch (wanted.kind) {
    case "object":
      await unpackObject(bytes, wanted);
      return;
    case "file":
      if (isRightFile(wanted.path, bytes) === false)
        throw new HamletError("update.badObject", "a file has another digest");
      return;
    case "packed":
      // Only who has the dictionary can tell.
      if (bytes.length !== wanted.frame.length) throw new HamletError("update.badObject", "a frame has another length");
  }
}
