// Names: which of two devices with one name takes another, and by which name this device knows each member.
// Pure.
import type { MemberRecord } from "../../provisioning/trust/record.ts";
import { freeName } from "./free-name.ts";
import { isOwnPast } from "./replacements.ts";
import { chain, renew, type State, type Step } from "./state.ts";

type Named = { id: string; name: string; admissions: readonly string[] };

/** The name that `own` must take because `other` keeps the one that both have; undefined if `own` keeps its name. */
export function newName(own: Named, other: Named, taken: readonly string[]): string | undefined {
  if (own.name !== other.name || own.id === other.id) return undefined;
  // A device that a member has admitted was here first; of two newcomers the one with the lower id keeps the name.
  const [isNew, isOtherNew] = [own.admissions.length === 0, other.admissions.length === 0];
  if (isNew === isOtherNew ? own.id < other.id : isOtherNew) return undefined;
  return freeName(own.name, new Set(taken));
}

/** The member known first keeps a name; the next becomes `attic-2`. */
export function nameFor({ own, members }: State, { id, name }: Pick<MemberRecord, "id" | "name">): string {
  const others = [...members.values()].filter(({ record }) => record.id !== id);
  return freeName(name, new Set([own.name, ...others.map((other) => other.name)]));
}

/** The member that goes by this name, here or by its own word. */
export const holderOf = ({ members }: State, name: string) =>
  [...members.values()].find((member) => member.name === name || member.record.name === name);

/** The owner gives this device another name. */
export const rename = (state: State, name: string): Step =>
  chain(
    state,
    (before) => takeName(before, name),
    (after) => [after, [{ kind: "clear", code: "member.nameTaken" }]],
  );

/** Of two devices with one name one takes another. */
export function yieldName(state: State): Step {
  const records = [...state.members.values()].map(({ record }) => record);
  const taken = records.map(({ name }) => name);
  return chain(
    state,
    ...records.map((other) => (before: State): Step => {
      const { own, self } = before;
      if (other.name !== own.name) return [before, []];
      if (isOwnPast(self, other)) return replace(before, other.id);
      const name = newName({ ...own, id: self.id }, other, taken);
      if (name === undefined) return [before, []];
      const message = `another member is called ${own.name}: this device is now ${name}`;
      const hint = "to choose names yourself, provision each device with its own";
      return chain(
        before,
        (now) => takeName(now, name),
        (now) => [now, [{ kind: "warn", code: "member.nameTaken", message, hint }]],
      );
    }),
  );
}

/** It can not be running, for we run on its board: we keep the name, and the others see that once it is dead to them. */
const replace = (state: State, id: string): Step =>
  state.own.replaces === id
    ? [state, []]
    : chain(
        state,
        (before) => renew(before, { replaces: id }),
        (after) => [after, [{ kind: "publish" }]],
      );

function takeName(state: State, name: string): Step {
  return chain(
    state,
    (before) => renew(before, { name }),
    restoreNames,
    (after) => [after, [{ kind: "members" }, { kind: "publish" }]],
  );
}

/** Our own name has changed: a member that had to give way to it may go by its own again. */
function restoreNames(state: State): Step {
  let next = state;
  for (const [id, member] of state.members) {
    if (member.name === member.record.name) continue;
    const name = nameFor(next, member.record);
    next = { ...next, members: new Map(next.members).set(id, { ...member, name }) };
  }
  return [next, []];
}
