// Members that wait at other members: each counts by itself whom a token has let in, and where they differ only the owner can settle it.
// Pure.
import { maxPending } from "./pending.ts";
import type { Effect, Event, Now, State, Step } from "./state.ts";

/** It is said again every two minutes: five may be lost. */
export const disputedForMs = 10 * 60_000;
/** As warnings, however many members say something. */
const mostDisputes = 16;
/** As many as fit into one line. */
const mostNamed = 3;

export const disputeHint = "adopt the device if it is yours; if not, revoke the token and keep your own devices";

/** What `by` says counts until it says something else, but not for long. */
export function takeDispute(state: State, { by, devices }: Event & { kind: "disputed" }, now: Now): Step {
  const disputes = new Map(state.disputes);
  disputes.set(by, { devices: [...new Set(devices)].slice(0, maxPending), at: now.monotonicMs });
  for (const [id, said] of disputes)
    if (said.devices.length === 0 || !counts(state, id, said, now)) disputes.delete(id);
  return [{ ...state, disputes }, []];
}

const counts = ({ members }: State, by: string, { at }: { at: number }, { monotonicMs }: Now): boolean =>
  members.has(by) && monotonicMs - at <= disputedForMs;

/** Warns of what is new since `before`, or has been said again by `spoke`, and ends what is over. */
export function nameDisputes(before: State, state: State, now: Now, spoke?: string): Effect[] {
  const [was, is] = [disputesIn(before, now), disputesIn(state, now)];
  const isOver = (id: string) => !is.has(id) && !state.pending.has(id);
  const over = [...was.keys(), ...before.pending.keys()].filter(isOver);
  const isNews = ([id, by]: [string, string[]]) => (spoke && by.includes(spoke)) || by.join() !== was.get(id)?.join();
  return [
    ...over.map((subject): Effect => ({ kind: "clear", code: "token.disputed", subject })),
    ...[...is].filter(isNews).map(([id, by]) => warnOf(state, id, by, now)),
  ];
}

/**
 * Members that wait elsewhere, and at whom. Where more than one member says it goes first, and of the rest each has its turn, so that a
 * hostile one hides nothing that others say.
 */
function disputesIn(state: State, now: Now): Map<string, string[]> {
  const said = [...state.disputes].filter(([by, word]) => counts(state, by, word, now));
  const found = new Map<string, string[]>();
  for (let turn = 0; turn < maxPending; turn++) {
    for (const [by, { devices }] of said) {
      const id = devices[turn];
      // What the root has adopted is settled.
      if (id === undefined || id === by || !state.members.has(id) || state.adoptions.has(id)) continue;
      found.set(id, [...(found.get(id) ?? []), by]);
    }
  }
  const order = [...found].sort(([, one], [, other]) => Math.min(other.length, 2) - Math.min(one.length, 2));
  return new Map(order.slice(0, mostDisputes).map(([id, by]) => [id, by.sort()]));
}

function warnOf({ members, disputes }: State, id: string, by: readonly string[], { monotonicMs }: Now): Effect {
  const { name, tokenId } = members.get(id)!;
  const names = by.slice(0, mostNamed).map((one) => members.get(one)?.name ?? one);
  const others = by.length > mostNamed ? " and others" : "";
  const message = `${name} (${id}) is a member here and waits at ${names.join(", ")}${others}: too many devices joined with token ${tokenId}`;
  const saidAt = Math.max(...by.map((one) => disputes.get(one)?.at ?? 0));
  const forMs = saidAt + disputedForMs - monotonicMs;
  return { kind: "warn", code: "token.disputed", message, hint: disputeHint, subject: id, forMs };
}
