// This device's claim to the restart, over its own restarts: it comes back to the lease that it had, and gives it back.
import type { Denied, Granted, Leases } from "../cluster/leases/leases.ts";

type Answer = Granted | Denied;

const againMs = 5_000;
/** Longer than any lease lasts. */
const mostTries = 240;

export class Claim {
  readonly #leases: Pick<Leases, "ask" | "giveBack">;
  readonly #sleep: (ms: number) => Promise<void>;
  #granted: Granted | undefined;
  /** What was asked last; answers to earlier questions do not count. */
  #turn = 0;

  constructor(leases: Pick<Leases, "ask" | "giveBack">, sleep: (ms: number) => Promise<void>) {
    this.#leases = leases;
    this.#sleep = sleep;
  }

  /** Undefined if another question came after it. */
  async ask(most: number, onLost: () => void): Promise<Answer | undefined> {
    const turn = ++this.#turn;
    const outcome = await this.#leases.ask("restart", () => turn === this.#turn && onLost(), most);
    if (turn !== this.#turn) {
      if (outcome.kind === "granted") await outcome.release();
      return undefined;
    }
    if (outcome.kind === "granted") this.#granted = outcome;
    return outcome;
  }

  /** Nothing may begin under the lease otherwise: a device that slept or hung may have lost it without hearing of that. */
  isHeld(nowMs: number): boolean {
    return this.#granted !== undefined && nowMs < this.#granted.untilMonotonicMs;
  }

  /** Takes up a lease from before a restart of this device, so that it is renewed until it is given back. */
  async resume(most: number): Promise<void> {
    const turn = ++this.#turn;
    for (let tries = 0; tries < mostTries && turn === this.#turn; tries++) {
      const outcome = await this.#leases.ask("restart", () => {}, most);
      if (outcome.kind === "granted") {
        if (turn !== this.#turn) return void (await outcome.release());
        this.#granted = outcome;
        return;
      }
      if (outcome.by === "held") return;
      await this.#sleep(againMs);
    }
  }

  /** Gives it back, also one from before a restart that was not taken up yet. */
  async release(): Promise<void> {
    this.#turn++;
    this.#granted = undefined;
    await this.#leases.giveBack();
  }
}
