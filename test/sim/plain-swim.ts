// SWIM without Lifeguard's corrections and without a second look, to compare with: what others say is believed, a suspect has
// the shortest time whoever accuses it, no member doubts itself, and only a new incarnation refutes.
import { PROBE_MS } from "../../agent/cluster/accuse.ts";
import type { Belief } from "../../agent/cluster/beliefs.ts";
import { shortestMs } from "../../agent/cluster/suspicion.ts";
import { step } from "../../agent/cluster/swim.ts";
import type { Effect, View } from "../../agent/cluster/view.ts";

export const plainStep: typeof step = (view, event, now, proofs) => {
  const [next, effects] = step({ ...view, health: 0, dueAt: Math.max(view.dueAt, now) }, event, now, proofs);
  if (next.members === view.members) return [next, effects];
  let { members } = next;
  const changes: Effect[] = [];
  let { dueAt } = next;
  for (const [id, known] of next.members) {
    const before = view.members.get(id);
    if (known === before) continue;
    const belief = credulous(before, known, next, now);
    members = members.with(id, belief);
    if (belief.state !== before?.state) changes.push({ kind: "changed", id, state: belief.state });
    if (belief.state === "suspect") dueAt = Math.min(dueAt, belief.deadline);
  }
  const others = effects.filter(({ kind }) => kind !== "changed");
  return [{ ...next, members, dueAt }, [...others, ...changes]];
};

function credulous(before: Belief | undefined, known: Belief, view: View, now: number): Belief {
  const { allowance: _, ...rest } = known;
  const shortest = shortestMs(view.size, PROBE_MS);
  if (known.incarnation === 0 || known.state === "dead" || known.state === "left") return known;
  const isSame = before?.incarnation === known.incarnation;
  if (isSame && known.state === "alive" && (before.state === "suspect" || before.state === "dead")) return before;
  if (known.state === "suspect") return { ...known, deadline: Math.min(known.deadline, known.since + shortest) };
  if (known.accusers.size === 0) return rest as Belief;
  const open = { ...rest, since: now, accusedAt: now };
  if ([...known.accusers.values()].some(({ state }) => state === "dead"))
    return { ...open, state: "dead", knock: { at: now + PROBE_MS, everyMs: PROBE_MS } };
  return { ...open, state: "suspect", deadline: now + shortest, knock: { at: now + shortest, everyMs: shortest } };
}
