// Metrics on their way out: those of an hour without a broker, handed over no faster than a broker takes them.
// Time is an argument, in ms that only grow.
import { brokerLimits } from "../../ota/fleet/access.ts";
import type { MetricsPayload } from "../../ota/fleet/topics.ts";

export class Backlog {
  /** An hour at one every 10 s: what a device that lost its broker still tells afterwards. */
  static readonly limit = 360;
  /** Half of what the broker takes; the other half is for all else that there is to say. */
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

  /** A new connection: the broker counts from the beginning. */
  connected(now: number): void {
    this.#allowed = Backlog.burst;
    this.#allowedAt = now;
  }

  /** Takes out what may be said now, oldest first. */
  due(now: number): MetricsPayload[] {
    const refill = ((now - this.#allowedAt) / 1000) * Backlog.perSecond;
    this.#allowed = Math.min(Backlog.burst, this.#allowed + refill);
    this.#allowedAt = now;
    const due = this.#waiting.splice(0, Math.floor(this.#allowed));
    this.#allowed -= due.length;
    return due;
  }
}
