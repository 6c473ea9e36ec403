// What the updater may be doing, what may happen to it, and what it has done then (step.ts).
import type { UpdateRequest, UpdateTrouble } from "../../provisioning/handover/update.ts";

/** What somebody asked for during a check, which comes first: to go back, to install from a folder, to start what is ready. */
export type Next = "back" | "folder" | "restart";
/** look: find out what the newest release is. prepare: install it as far as it goes without a restart. install: start it too. */
export type Wish = "look" | "prepare" | "install";
/** `version`: the release to prepare; by default the newest. */
export type Wished = { wish: Wish; version?: string };
export type Life =
  | { phase: "idle"; checkAtMs: number }
  /** `ready`: what the other slot holds meanwhile, verified in this boot. */
  | ({ phase: "checking"; failures: number; next?: Next; ready?: string } & Wished)
  | ({ phase: "installing"; release: string; failures: number } & Wished)
  /** An earlier boot made it ready: whether it still is. `asked`, `next`: what somebody asked for meanwhile. */
  | { phase: "verifying"; release: string; asked?: Wished; next?: "restart" }
  /** Verified in this boot. `because`: why it did not start when somebody asked. */
  | { phase: "ready"; release: string; checkAtMs: number; because?: UpdateTrouble }
  | { phase: "restarting"; release: string; wasReady?: true }
  /** Verifies the release in the other slot, and restarts into it: `to`, once it is verified. */
  | { phase: "returning"; to?: string }
  /** A failure that passes by itself. */
  | ({ phase: "waiting"; because: UpdateTrouble; failures: number; againAtMs: number; release?: string } & Wished)
  /** A refusal: only a newer release or a person changes it. */
  | { phase: "refused"; because: UpdateTrouble; checkAtMs: number; release?: string }
  | { phase: "trying"; release: string }
  /** The release before is back, and looks for the members that its successor missed. */
  | { phase: "doubting"; release: string; because: UpdateTrouble; untilMs: number };

export type Event =
  | { kind: "tick" }
  | { kind: "asked"; request: UpdateRequest }
  /** `named`: the version that was looked for. */
  | { kind: "found"; release: string; named?: string; refusal?: UpdateTrouble }
  /** `isFinal`: trying again would change nothing. `hasAdvanced`: something was written since the last failure. */
  | { kind: "failed"; trouble: UpdateTrouble; isFinal: boolean; hasAdvanced: boolean }
  | { kind: "installed" }
  /** At the start: the disk says that this release was ready. */
  | { kind: "prepared"; release: string; isVerified: boolean }
  | { kind: "verified" };

export type Effect =
  /** In the folder that somebody named, or where the last check looked. */
  | { kind: "check"; in?: "folder"; version?: string }
  | { kind: "install" }
  | { kind: "verify" }
  | { kind: "restart" }
  | { kind: "goBack" }
  /** Remember over a restart that somebody wants an installation, or no more than its preparation, or that it is over. */
  | { kind: "want"; isWanted: boolean; prepare?: { version?: string } }
  | { kind: "forgetFailures" }
  | { kind: "acknowledge" };
