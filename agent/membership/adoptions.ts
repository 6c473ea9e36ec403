// Which devices the root has adopted: they are members whatever their token says, at every member that has seen the document.
// Pure.
import { deviceIdOf } from "../../provisioning/trust/names.ts";
import { letIn } from "./admissions.ts";
import { type Adopted, chain, type Effect, renew, type State, type Step } from "./state.ts";

/** Of two adoptions of one device the later counts; of two of one moment all members choose the same. */
const isLater = (one: Adopted, other: Adopted): boolean =>
  one.adoption.issuedAt - other.adoption.issuedAt > 0 ||
  (one.adoption.issuedAt === other.adoption.issuedAt && one.jws > other.jws);

/** The latest of each device, by its id. */
export function addAdoptions(
  known: ReadonlyMap<string, Adopted>,
  more: readonly Adopted[],
): ReadonlyMap<string, Adopted> {
  const all = new Map(known);
  for (const one of more) {
    const id = deviceIdOf(one.adoption.deviceKey);
    const before = all.get(id);
    if (!before || isLater(one, before)) all.set(id, one);
  }
  return [...all].some(([id, { jws }]) => known.get(id)?.jws !== jws) ? all : known;
}

export function takeAdoptions(state: State, adopted: readonly Adopted[]): Step {
  const adoptions = addAdoptions(state.adoptions, adopted);
  if (adoptions === state.adoptions) return [state, []];
  const fresh = [...adoptions].filter(([id, { jws }]) => state.adoptions.get(id)?.jws !== jws);
  const effects: Effect[] = [{ kind: "save", file: "adoptions" }];
  for (const [id] of fresh) {
    const name = state.pending.get(id)?.name ?? "a device";
    if (id !== state.self.id)
      effects.push({ kind: "log", level: "info", text: `the root has adopted ${name} (${id})` });
    // It waits for its next attempt, up to a minute; we need not.
    if (id !== state.self.id && !state.members.has(id)) effects.push({ kind: "welcome", id });
  }
  return chain({ ...state, adoptions }, (before) => [before, effects], carryOwn);
}

/** Our record carries the root's word about us, so that it counts at whoever has not heard it. */
export function carryOwn(state: State): Step {
  const own = state.adoptions.get(state.self.id)?.jws;
  if (own === undefined || own === state.own.adoption) return [state, []];
  return chain(
    state,
    (before) => renew(before, { adoption: own }),
    letIn,
    (after) => [after, [{ kind: "publish" }, { kind: "welcome" }]],
  );
}
