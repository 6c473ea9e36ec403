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

/**
 * Of two devices with one name or code only the first waits: the owner must know which of them an adoption means. The places are fair by
 * token: whoever holds one can make as many devices as there are places.
 */
export function wait(state: State, { record, token, because }: Judgement & { kind: "pending" }, now: Now): Step {
  const { id, name, deviceKey } = record;
  const code = adoptionCodeOf(deviceKey);
  const all = waiting(state, now);
  const others = all.filter((other) => other.id !== id);
  const isTwin = others.some((other) => other.name === name || other.code === code);
  const room = isTwin ? undefined : withRoom(others, token.id);
  const own: Pending = { id, name, deviceKey, code, because, since: now.monotonicMs, tokenId: token.id };
  const kept = room ? [...room, own] : all;
  return [{ ...state, pending: new Map(kept.map((one) => [one.id, one])) }, []];
}

/** With a place for one more by this token: if there is none, the last of the token that has the most gives way, unless it is this one. */
function withRoom(waits: readonly Pending[], tokenId: string): readonly Pending[] | undefined {
  if (waits.length < maxPending) return waits;
  const byToken = Map.groupBy(waits, (one) => one.tokenId);
  const most = [...byToken.values()].reduce((one, other) => (other.length > one.length ? other : one));
  const own = byToken.get(tokenId)?.length ?? 0;
  return most.length > own + 1 ? waits.filter((one) => one !== most.at(-1)) : undefined;
}
