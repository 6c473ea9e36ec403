// Whether this device's own way to the repositories works, as far as it knows. If it broke, one request tries it again after a while, and
// the others go on with what members bring.
// Pure: time comes in as an argument.

const rest = { firstMs: 60_000, longestMs: 600_000 };
/** By then whoever tries has found out. */
const trialMs = 60_000;

export class Way {
  #brokenUntil = Number.NEGATIVE_INFINITY;
  #triedUntil = Number.NEGATIVE_INFINITY;
  #failures = 0;

  /** Whoever is told yes tries it. */
  mayTry(now: number): boolean {
    if (this.#brokenUntil > now) return false;
    if (this.#failures === 0) return true;
    if (this.#triedUntil > now) return false;
    this.#triedUntil = now + trialMs;
    return true;
  }

  worked(): void {
    this.#brokenUntil = Number.NEGATIVE_INFINITY;
    this.#triedUntil = Number.NEGATIVE_INFINITY;
    this.#failures = 0;
  }

  broke(now: number): void {
    // Requests at the same time find it out together.
    if (this.#brokenUntil > now) return;
    this.#brokenUntil = now + Math.min(rest.longestMs, rest.firstMs * 2 ** this.#failures);
    this.#triedUntil = Number.NEGATIVE_INFINITY;
    this.#failures += 1;
  }
}
