// What is wrong on this device, in codes for programs and words for people, each with a next step.
import type { Clock } from "../../system/clock.ts";
import type { Log } from "../../system/log.ts";

export type WarningCode =
  | "broker.unreachable"
  | "clock.behind"
  | "cluster.noGossip"
  | "config.invalid"
  | "discovery.multicastBlocked"
  | "discovery.failed"
  | "firstboot.failed"
  | "mesh.userspace"
  | "mesh.noHandshake"
  | "member.dead"
  | "member.nameTaken"
  | "names.unavailable"
  | "page.unavailable"
  | "port.taken"
  | "record.refused"
  | "state.full"
  | "telemetry.failed"
  | "token.surplus"
  | "tuning.failed"
  | "waiting.pending"
  | "waiting.unprovisioned";

export type Warning = { code: WarningCode; message: string; hint: string; since: number };

/** Standing warnings by code and subject; raising one twice keeps its `since`. `since` is ms since 1970. */
export class Warnings {
  readonly #standing = new Map<string, Warning>();
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  raise(code: WarningCode, message: string, hint: string, subject = ""): void {
    const key = `${code} ${subject}`;
    const standing = this.#standing.get(key);
    if (standing?.message === message) return;
    this.#log.warn(`${code}: ${message} (${hint})`);
    // What strangers can raise must not fill the memory: the oldest goes first.
    if (!standing && this.#standing.size >= 64) this.#standing.delete(this.#standing.keys().next().value!);
    this.#standing.set(key, { code, message, hint, since: standing?.since ?? this.#clock.now() });
  }

  clear(code: WarningCode, subject = ""): void {
    if (this.#standing.delete(`${code} ${subject}`)) this.#log.info(`${code}: over${subject && ` for ${subject}`}`);
  }

  list(): Warning[] {
    return [...this.#standing.values()];
  }
}
