// Whether this device's own way to the repositories works, as far as it knows: it tries again after a while.
// Pure: time comes in as an argument.

const rest = { firstMs: 60_000, longestMs: 600_000 };

export class Way {
  #brokenUntil = Number.NEGATIVE_INFINITY;
  #failures = 0;

  isWorking(now: number): boolean {
    return this.#brokenUntil <= now;
  }

  worked(): void {
    this.#brokenUntil = Number.NEGATIVE_INFINITY;
    this.#failures = 0;
  }

  broke(now: number): void {
    // Four requests at a time find it out together.
    if (!this.isWorking(now)) return;
    this.#brokenUntil = now + Math.min(rest.longestMs, rest.firstMs * 2 ** this.#failures);
    this.#failures += 1;
  }
}
