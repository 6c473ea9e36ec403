// A queue of metrics: holds up to an hour without a broker, and empties no faster than the broker's limits allow.
// Pure. Time is an argument, monotonic, in ms.
import { brokerLimits } from "../../ota/fleet/access.ts";
import type { MetricsPayload } from "../../ota/fleet/topics.ts";

export class Backlog {
  /** An hour at one every 10 s. */
  static readonly limit = 360;
  /** Half of the broker's limit; the other half is for everything else. */
  static readonly burst = brokerLimits.burst / 2;
  static readonly perSecond = brokerLimits.messagesPerSecond / 2;

  readonly #waiting: MetricsPayload[] = [];
  #allowed = 0;
  #allowedAt = 0;
  #dropped = 0;

  get queued(): number {
    return this.#waiting.length;
  }
  get dropped(): number {
    return this.#dropped;
  }

  push(metrics: MetricsPayload): void {
    if (this.#waiting.push(metrics) > Backlog.limit) this.#dropped += this.#waiting.splice(0, 1).length;
  }

  /** The broker counts anew for a new connection. */
  connected(now: number): void {
    this.#allowed = Backlog.burst;
    this.#allowedAt = now;
  }

  /** Takes out what may be sent now, oldest first. */
  due(now: number): MetricsPayload[] {
    const refill = ((now - this.#allowedAt) / 1000) * Backlog.perSecond;
    this.#allowed = Math.min(Backlog.burst, this.#allowed + refill);
    this.#allowedAt = now;
    const due = this.#waiting.splice(0, Math.floor(this.#allowed));
    this.#allowed -= due.length;
    return due;
  }
}
