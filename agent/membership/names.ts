// Names: by which name this device knows each member, and by which it goes itself. A name belongs to whom this device knew first, until
// the root, a replacement on the same board or a long absence frees it: nothing that a member says about itself moves another's.
// Pure.
import type { MemberRecord } from "../../provisioning/trust/record.ts";
import { absentTooLong } from "./absence.ts";
import { freeName } from "./free-name.ts";
import { ownReplacement } from "./replacements.ts";
import { chain, type Member, type Now, renew, type State, type Step } from "./state.ts";

type Named = Pick<MemberRecord, "id" | "name">;

/** The member known first keeps a name; the next becomes `attic-2`. */
export function nameFor({ own, members }: State, { id, name }: Named): string {
  const others = [...members.values()].filter((other) => other.record.id !== id && !absentTooLong(other));
  return freeName(name, new Set([own.name, ...others.map((other) => other.name)]));
}

/** Calls this member so. Whoever had the name and was away for too long gets another. */
export function call(state: State, id: string, name: string): State {
  const members = new Map(state.members).set(id, { ...state.members.get(id)!, name });
  for (const [other, member] of members) {
    if (other === id || member.name !== name) continue;
    const taken = new Set([state.own.name, ...[...members.values()].map((one) => one.name)]);
    members.set(other, { ...member, name: freeName(name, taken) });
  }
  return { ...state, members };
}

/** The member that goes by this name, here or by its own word. */
export const holderOf = ({ members }: State, name: string): Member | undefined =>
  [...members.values()].find(
    (member) => !absentTooLong(member) && (member.name === name || member.record.name === name),
  );

/** The owner gives this device another name. */
export const rename = (state: State, name: string): Step =>
  chain(
    state,
    (before) => takeName(before, name),
    (after) => [after, [{ kind: "clear", code: "member.nameTaken" }]],
  );

/**
 * A device that no member has admitted yet is known to nobody, and takes another name where its own has an owner: `called` is how a member
 * that greets it knows it. Of two such devices the one with the lower id keeps the name. Once it is admitted, its name is its own. `from`:
 * the address from which the other said hello itself.
 */
export function yieldName(
  state: State,
  other: MemberRecord,
  { called, from }: { called?: string; from?: string },
  now: Pick<Now, "monotonicMs">,
): Step {
  const { own, self, members, yields = 0 } = state;
  const wanted = state.gaveWay ?? own.name;
  // Whoever says hello runs, and so not on our board.
  const mayBeFormer = other.name === wanted && from === undefined && isNew(state, now);
  const proof = mayBeFormer ? ownReplacement(self, other) : undefined;
  if (proof !== undefined) return replace(state, proof, wanted);
  if (own.admissions.length > 0 || yields >= mostYields) return [state, []];
  const isLater = other.name === own.name && other.admissions.length === 0 && other.id < self.id;
  const taken = new Set([own.name, ...[...members.values()].map(({ record }) => record.name)]);
  const name = isLater ? freeName(own.name, taken) : isNumbered(called, own.name) ? called : undefined;
  if (name === undefined) return [state, []];
  const message = `another member is called ${own.name}: this device is now ${name}`;
  const hint = "to choose names yourself, provision each device with its own";
  return chain(
    { ...state, gaveWay: own.name, yields: yields + 1 },
    (before) => takeName(before, name),
    (after) => [after, [{ kind: "warn", code: "member.nameTaken", message, hint }]],
  );
}

/** Each time its record is written: as often as thirty devices that come with one name may need, and no member can cause more. */
const mostYields = 32;

/** A board has had a few cards, and members that pass for them take turns no longer than that. */
const mostProofs = 8;
/** Gossip brings the record of an earlier card within minutes. Whoever comes later was never in this board. */
const newForMs = 3_600_000;

const isNew = ({ own, admittedAt, proofs = 0 }: State, { monotonicMs }: Pick<Now, "monotonicMs">): boolean =>
  proofs < mostProofs &&
  (own.admissions.length === 0 || (admittedAt !== undefined && monotonicMs - admittedAt < newForMs));

/** Whether `name` is what `freeName` makes of `wanted`: nobody gives this device any other. */
const isNumbered = (name: string | undefined, wanted: string): name is string => {
  const stem = `${wanted.slice(0, 58)}-`;
  return name?.startsWith(stem) === true && /^[1-9][0-9]{0,3}$/.test(name.slice(stem.length));
};

/**
 * The other can not be running, for we run on its board: we keep the name, or take it back if we gave way before we knew, and the others see
 * that once it is dead to them.
 */
function replace({ gaveWay: _, ...state }: State, replaces: string, name: string): Step {
  if (state.own.replaces === replaces && state.own.name === name) return [state, []];
  return chain(
    { ...state, proofs: (state.proofs ?? 0) + 1 },
    (before) => (before.own.name === name ? [before, []] : rename(before, name)),
    (before) => renew(before, { replaces }),
    (after) => [after, [{ kind: "publish" }]],
  );
}

function takeName(state: State, name: string): Step {
  return chain(
    state,
    (before) => renew(before, { name }),
    restoreNames,
    (after) => [after, [{ kind: "members" }, { kind: "publish" }]],
  );
}

/** Our own name has changed: a member that had to give way to it may go by its own again, and one that had the new name gives way. */
function restoreNames(state: State): Step {
  let next = state;
  for (const [id, member] of state.members) {
    if (member.name === member.record.name && member.name !== state.own.name) continue;
    next = call(next, id, nameFor(next, member.record));
  }
  return [next, []];
}
