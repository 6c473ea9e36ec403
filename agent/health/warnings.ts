// The warnings of a device: each has a code for programs, a message and a next step for people, a severity, and the warning
// that it follows from.
import type { Clock } from "../../system/clock.ts";
import type { Log } from "../../system/log.ts";
import { warningCauses } from "./warning-causes.ts";
import type { Severity, WarningCode } from "./warning-codes.ts";

export type Warning = {
  code: WarningCode;
  severity: Severity;
  message: string;
  hint: string;
  /** ms since 1970 */
  since: number;
  /** The code of the warning that caused this one. */
  follows?: WarningCode;
};

/**
 * `subject` tells warnings with one code apart; `forMs`: how long the warning lasts unless it is raised again; `since`: when the
 * problem was first seen, if not now.
 */
export type WarningOptions = { subject?: string; forMs?: number; since?: number };
type Raised = Omit<Warning, "follows"> & { until: number };

/** Raised warnings by code and subject; raising one again keeps its `since`. */
export class Warnings {
  readonly #raised = new Map<string, Raised>();
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
    const before = this.#raised.get(key);
    const until = this.#clock.monotonic() + forMs;
    if (before?.message === message) {
      before.until = until;
      return;
    }
    this.#log.warn(`${code}: ${message} (${hint})`);
    // Strangers can cause warnings, which must not fill the memory.
    if (!before && this.#raised.size >= 64) this.#dropOne();
    const { severity } = warningCauses[code];
    this.#raised.set(key, { code, severity, message, hint, since: before?.since ?? since, until });
  }

  /** The oldest of the code that has the most: whoever causes many of one kind hides none of another. */
  #dropOne(): void {
    const keys = new Map<WarningCode, string[]>();
    for (const [key, { code }] of this.#raised) keys.set(code, [...(keys.get(code) ?? []), key]);
    const [oldest] = [...keys.values()].reduce((most, next) => (next.length > most.length ? next : most));
    this.#raised.delete(oldest!);
  }

  clear(code: WarningCode, subject = ""): void {
    if (this.#raised.delete(`${code} ${subject}`)) this.#log.info(`${code}: over${subject && ` for ${subject}`}`);
  }

  list(): Warning[] {
    const now = this.#clock.monotonic();
    for (const [key, { until }] of this.#raised) if (until < now) this.#raised.delete(key);
    const raised = [...this.#raised.values()];
    return raised.map(({ until: _, ...warning }) => {
      const follows = warningCauses[warning.code].follows?.find((code) => raised.some((one) => one.code === code));
      return follows === undefined ? warning : { ...warning, follows };
    });
  }
}
