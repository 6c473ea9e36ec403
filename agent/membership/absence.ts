// Members that do not answer: the owner is told of the dead, the mesh looks for another way to those in doubt, and whoever is away for
// too long loses its name to the next who wants it.
// Pure.
import type { State as Liveness } from "../cluster/news.ts";
import { replaced } from "./replacements.ts";
import type { Effect, Member, Now, State, Step } from "./state.ts";

const dayMs = 86_400_000;
const nameKeptMs = 30 * dayMs;
const countEveryMs = 10 * 60_000;

export const absentTooLong = ({ absentMs }: Pick<Member, "absentMs">): boolean => absentMs >= nameKeptMs;

/**
 * Counts how long each has been gone, by the clock that only grows, and only while this device hears somebody: a device that was away
 * itself, or whose clock jumps, takes nobody for absent.
 */
export function countAbsence(state: State, { monotonicMs }: Now): Step {
  const { countedAt, liveness, goneAt } = state;
  if (countedAt !== undefined && monotonicMs - countedAt < countEveryMs) return [state, []];
  const next = { ...state, countedAt: monotonicMs };
  if (countedAt === undefined || ![...liveness.values()].includes("alive")) return [next, []];
  const members = new Map<string, Member>();
  let isNewDay = false;
  for (const [id, member] of state.members) {
    const is = liveness.get(id);
    // Most go between two counts. A sleeping computer's clock may jump: one count is worth twice its time at most.
    const sinceMs = Math.max(countedAt, goneAt?.get(id) ?? countedAt);
    const more = isGone(is) ? Math.min(monotonicMs - sinceMs, 2 * countEveryMs) : 0;
    const absentMs = is === "alive" ? 0 : member.absentMs + more;
    isNewDay ||= Math.floor(absentMs / dayMs) !== Math.floor(member.absentMs / dayMs);
    members.set(id, absentMs === member.absentMs ? member : { ...member, absentMs });
  }
  return [{ ...next, members }, isNewDay ? [{ kind: "save", file: "roster" }] : []];
}

const isGone = (is: Liveness | undefined): boolean => is === "dead" || is === "left";

export function takeLiveness(state: State, states: ReadonlyMap<string, Liveness>, { monotonicMs }: Now): Step {
  const effects: Effect[] = [];
  const before = state.liveness;
  const isReplaced = replaced({ ...state, liveness: states });
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
  const [members, isNewDay] = withoutAbsence(state.members, states);
  if (isNewDay) effects.push({ kind: "save", file: "roster" });
  const sinceOf = (id: string) => (isGone(before.get(id)) ? state.goneAt?.get(id) : undefined) ?? monotonicMs;
  const gone = [...states].flatMap(([id, is]): [string, number][] => (isGone(is) ? [[id, sinceOf(id)]] : []));
  return [{ ...state, members, liveness: states, goneAt: new Map(gone) }, effects];
}

/** Whoever is heard is there, also if it is gone again before the next count. Whether days of absence end with that. */
function withoutAbsence(
  members: State["members"],
  states: ReadonlyMap<string, Liveness>,
): [members: State["members"], isNewDay: boolean] {
  const back = [...members].filter(([id, { absentMs }]) => absentMs > 0 && states.get(id) === "alive");
  if (back.length === 0) return [members, false];
  const present = back.map(([id, member]): [string, Member] => [id, { ...member, absentMs: 0 }]);
  return [new Map([...members, ...present]), back.some(([, { absentMs }]) => absentMs >= dayMs)];
}
