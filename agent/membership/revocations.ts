// Who is out: verified revocations drop the members that they name.
// Pure.
import type { Effect, Event, State, Step } from "./state.ts";

export function takeRevocations(state: State, event: Event & { kind: "revocations" }): Step {
  const effects: Effect[] = [];
  if (event.forged[0]) {
    effects.push({
      kind: "log",
      level: "warn",
      text: `refused ${event.forged.length} revocations: ${event.forged[0]}`,
    });
  }
  if (event.revocations === state.revocations) return [state, effects];
  const members = new Map(state.members);
  for (const [id, because] of event.out) {
    const name = members.get(id)?.name;
    if (members.delete(id)) effects.push({ kind: "log", level: "warn", text: `${name} (${id}) is out: ${because}` });
  }
  const next = { ...state, members, revocations: event.revocations };
  // First: a roster may have to wait, for members decide how often it changes.
  effects.push({ kind: "save", file: "revocations" }, { kind: "save", file: "roster" }, { kind: "members" });
  return [next, effects];
}
