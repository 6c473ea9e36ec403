// The signed words of all devices on how rollouts went: the newest of each, verified, to hand on.
import { Refusal } from "../../provisioning/trust/refusal.ts";
import { maxResultChars, type RolloutResult, verifyResult } from "../../provisioning/trust/result.ts";
import type { DocumentKind } from "../cluster/documents.ts";
import { digestOf } from "../membership/documents.ts";

export type ResultsOptions = {
  neighborhood: string;
  /** Of the members, this device included. */
  deviceKey(id: string): string | undefined;
};
type Known = { result: RolloutResult; jws: string };

export class Results {
  readonly #o: ResultsOptions;
  readonly #known = new Map<string, Known>();
  #onNew: (result: RolloutResult) => void = () => {};

  constructor(o: ResultsOptions) {
    this.#o = o;
  }

  /** Calls `onNew` with each that counts so far, and with each that counts from now on. */
  listen(onNew: (result: RolloutResult) => void): void {
    this.#onNew = onNew;
    for (const { result } of this.#known.values()) onNew(result);
  }

  /** Of the newest word of this device; 0 if there is none. */
  numberOf(device: string): number {
    return this.#known.get(device)?.result.number ?? 0;
  }

  /** Keeps the word if it is newer than what is known of its device. Throws `Refusal`. */
  async take(jws: string): Promise<boolean> {
    const { neighborhood, deviceKey } = this.#o;
    const result = await verifyResult(jws, neighborhood, deviceKey);
    // Of two words with one number all members keep the same.
    const before = this.#known.get(result.device);
    const isNewer = !before || before.result.number < result.number;
    const isOther = before?.result.number === result.number && digestOf(jws) < digestOf(before.jws);
    if (!isNewer && !isOther) return false;
    this.#known.set(result.device, { result, jws });
    if (isNewer) this.#onNew(result);
    return true;
  }

  /** What was kept: a word that no longer verifies is left out. */
  async load(documents: readonly string[]): Promise<void> {
    for (const jws of documents) {
      await this.take(jws).catch((error) => {
        if (!(error instanceof Refusal)) throw error;
      });
    }
  }

  /** Forgets the words of devices that are no members any more. */
  documents(): string[] {
    for (const id of this.#known.keys()) if (this.#o.deviceKey(id) === undefined) this.#known.delete(id);
    return [...this.#known.values()].map(({ jws }) => jws);
  }

  readonly kind: DocumentKind = {
    kind: "result",
    maxChars: maxResultChars,
    summaries: () =>
      [...this.#known].map(([id, { result, jws }]) => ({ id, number: result.number, digest: digestOf(jws) })),
    get: (id) => this.#known.get(id)?.jws,
    offer: async (jws) => {
      try {
        return (await this.take(jws)) ? "new" : "known";
      } catch (error) {
        if (error instanceof Refusal) return "refused";
        throw error;
      }
    },
  };
}
