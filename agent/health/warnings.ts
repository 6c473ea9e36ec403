// What is wrong on this device: a code for programs, words and a next step for people, how bad it is, and which other
// warning it follows from.
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
  /** The code of the standing warning that this one is a consequence of. */
  follows?: WarningCode;
};

/**
 * `subject` tells warnings with one code apart; `forMs`: how long it stands unless it is raised again; `since`: when it was
 * first seen, if that was not now.
 */
export type WarningOptions = { subject?: string; forMs?: number; since?: number };
type Raised = Omit<Warning, "follows"> & { until: number };

/** Standing warnings by code and subject; raising one twice keeps its `since`. */
export class Warnings {
  readonly #standing = new Map<string, Raised>();
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
    const { severity } = warningCauses[code];
    this.#standing.set(key, { code, severity, message, hint, since: standing?.since ?? since, until });
  }

  clear(code: WarningCode, subject = ""): void {
    if (this.#standing.delete(`${code} ${subject}`)) this.#log.info(`${code}: over${subject && ` for ${subject}`}`);
  }

  list(): Warning[] {
    const now = this.#clock.monotonic();
    for (const [key, { until }] of this.#standing) if (until < now) this.#standing.delete(key);
    const standing = [...this.#standing.values()];
    return standing.map(({ until: _, ...warning }) => {
      const follows = warningCauses[warning.code].follows?.find((code) => standing.some((one) => one.code === code));
      return follows === undefined ? warning : { ...warning, follows };
    });
  }
}
