// What is wrong on this device, in codes for programs and words for people, each with a next step.
import type { Clock } from "../../system/clock.ts";
import type { Log } from "../../system/log.ts";

export type WarningCode =
  | "broker.unreachable"
  | "clock.behind"
  | "config.invalid"
  | "discovery.multicastBlocked"
  | "discovery.failed"
  | "firstboot.failed"
  | "install.available"
  | "mesh.userspace"
  | "member.dead"
  | "member.nameTaken"
  | "names.unavailable"
  | "port.taken"
  | "record.refused"
  | "start.failed"
  | "state.damaged"
  | "state.full"
  | "token.expired"
  | "token.surplus"
  | "tuning.failed"
  | "waiting.pending"
  | "waiting.unprovisioned"
  | "wifi.notFound"
  | "wifi.refused"
  | "wifi.wrongPassword";

export type Warning = { code: WarningCode; message: string; hint: string; since: number };

/**
 * `subject`: of several warnings with one code, which; `forMs`: how long it stands unless it is raised again; `since`: where
 * somebody else has seen it first.
 */
export type WarningOptions = { subject?: string; forMs?: number; since?: number };
type Standing = Warning & { until: number };

/** Standing warnings by code and subject; raising one twice keeps its `since`. `since` is ms since 1970. */
export class Warnings {
  readonly #standing = new Map<string, Standing>();
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  raise(code: WarningCode, message: string, hint: string, options: string | WarningOptions = {}): void {
    const {
      subject = "",
      forMs = Number.POSITIVE_INFINITY,
      since = this.#clock.now(),
    } = typeof options === "string" ? { subject: options } : options;
    const key = `${code} ${subject}`;
    const standing = this.#standing.get(key);
    const until = this.#clock.monotonic() + forMs;
    if (standing?.message === message) {
      standing.until = until;
      return;
    }
    this.#log.warn(`${code}: ${message} (${hint})`);
    // What strangers can raise must not fill the memory: the oldest goes first.
    if (!standing && this.#standing.size >= 64) this.#standing.delete(this.#standing.keys().next().value!);
    this.#standing.set(key, { code, message, hint, since: standing?.since ?? since, until });
  }

  clear(code: WarningCode, subject = ""): void {
    if (this.#standing.delete(`${code} ${subject}`)) this.#log.info(`${code}: over${subject && ` for ${subject}`}`);
  }

  list(): Warning[] {
    const now = this.#clock.monotonic();
    for (const [key, { until }] of this.#standing) if (until < now) this.#standing.delete(key);
    return [...this.#standing.values()].map(({ until: _, ...warning }) => warning);
  }
}
