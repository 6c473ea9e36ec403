// Members that do not answer: the owner is told of the dead, and the mesh looks for another way to those in doubt.
// Pure.
import type { State as Liveness } from "../cluster/news.ts";
import { replaced } from "./replacements.ts";
import type { Effect, State, Step } from "./state.ts";

export function takeLiveness(state: State, states: ReadonlyMap<string, Liveness>): Step {
  const effects: Effect[] = [];
  const before = state.liveness;
  const isReplaced = replaced(state);
  for (const [id, was] of before) {
    if (was === "dead" && states.get(id) !== "dead") effects.push({ kind: "clear", code: "member.dead", subject: id });
  }
  for (const [id, is] of states) {
    const name = state.members.get(id)?.name;
    if (is === "dead" && name !== undefined && !isReplaced.has(id)) {
      const hint = `check its power and cable; hamlet net explain ${name} shows what this device tried`;
      effects.push({ kind: "warn", code: "member.dead", message: `${name} no longer answers`, hint, subject: id });
    }
    // Once each time: until it is heard again there is nothing new to look for.
    if (is === "suspect" && before.get(id) === "alive") effects.push({ kind: "doubt", id });
  }
  return [{ ...state, liveness: states }, effects];
}
