// How a device stands with its neighborhood; each phase carries exactly what the device has in it.
// Pure.
import type { Identity } from "./identity.ts";
import type { MemberLife } from "./life.ts";

export type Phase =
  | { phase: "unprovisioned" }
  /** Without a life its mesh has not started; with one it waits until a member admits it. */
  | { phase: "pending"; identity: Identity; life?: MemberLife }
  | { phase: "member"; identity: Identity; life: MemberLife };

export function phaseOf(identity: Identity | undefined, life: MemberLife | undefined): Phase {
  if (!identity) return { phase: "unprovisioned" };
  if (!life) return { phase: "pending", identity };
  return { phase: life.isPending() ? "pending" : "member", identity, life };
}
