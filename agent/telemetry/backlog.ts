// A queue of metrics: holds up to an hour without a broker, and empties no faster than the broker's limits allow.
// Pure. Time is an argument, monotonic, in ms.
import { brokerLimits } from "../../ota/fleet/access.ts";
import type { MetricsPayload } from "../../ota/fleet/topics.ts";
import { Bucket } from "../../system/bucket.ts";

export class Backlog {
  /** An hour at one every 10 s. */
  static readonly limit = 360;
  /** Half of the broker's limit; the other half is for everything else. */
  static readonly rate = { burst: brokerLimits.burst / 2, perSecond: brokerLimits.messagesPerSecond / 2 };

  readonly #waiting: MetricsPayload[] = [];
  #bucket: Bucket | undefined;
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

  /** The broker counts by device: another connection brings no new tokens. */
  connected(): void {
    this.#bucket ??= new Bucket(Backlog.rate);
  }

  /** Takes out what may be sent now, oldest first. */
  due(now: number): MetricsPayload[] {
    const due = this.#waiting.splice(0, Math.floor(this.#bucket?.level(now) ?? 0));
    this.#bucket?.take(due.length);
    return due;
  }
}
