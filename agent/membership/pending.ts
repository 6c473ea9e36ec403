// Devices that wait for adoption.
// Pure.
import { adoptionCodeOf } from "../../provisioning/trust/adoption-code.ts";
import type { Judgement } from "../../provisioning/trust/judge.ts";
import type { Now, Pending, State, Step } from "./state.ts";

const pendingForMs = 10 * 60_000;
export const maxPending = 16;

/** Those that were heard lately. */
export const waiting = ({ pending }: State, { monotonicMs }: Now): Pending[] =>
  [...pending.values()].filter(({ since }) => monotonicMs - since <= pendingForMs);

/** Of two devices with one name or code only the first waits: the owner must know which of them an adoption means. */
export function wait(state: State, { record, because }: Judgement & { kind: "pending" }, now: Now): Step {
  const { id, name, deviceKey } = record;
  const code = adoptionCodeOf(deviceKey);
  const all = waiting(state, now);
  const others = all.filter((other) => other.id !== id);
  const isTwin = others.some((other) => other.name === name || other.code === code);
  const hasRoom = !isTwin && others.length < maxPending;
  const kept = hasRoom ? [...others, { id, name, deviceKey, code, because, since: now.monotonicMs }] : all;
  return [{ ...state, pending: new Map(kept.map((one) => [one.id, one])) }, []];
}
