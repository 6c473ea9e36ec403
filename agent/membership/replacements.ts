// A device that replaces another: a new card in the same board takes over the old card's name once the old device is gone.
// Pure.
import { boardIdentityOf } from "../../provisioning/handover/board.ts";
import type { MemberRecord } from "../../provisioning/trust/record.ts";
import { freeName } from "./free-name.ts";
import type { Self, State, Step } from "./state.ts";

type Holder = { id: string; name: string; record: { name: string; replaces?: string | undefined } };

/** Whether `record` is of this very board under another key: of a card that was in it before. */
export function isOwnPast(
  self: Pick<Self, "id" | "board">,
  { id, deviceKey, boardIdentity }: Pick<MemberRecord, "id" | "deviceKey" | "boardIdentity">,
): boolean {
  if (id === self.id || boardIdentity === undefined || !self.board) return false;
  return boardIdentityOf(self.board, deviceKey) === boardIdentity;
}

/** The members that others say to have replaced. */
export const replaced = ({ members }: State): Set<string> =>
  new Set([...members.values()].flatMap(({ record }) => record.replaces ?? []));

export function applyReplacements(state: State): Step {
  const holders = [...state.members.values()].map(({ record, name }) => ({ id: record.id, name, record }));
  const isGone = (id: string) => ["dead", "left"].includes(state.liveness.get(id) ?? "");
  const changed = namesAfterReplacement(holders, state.own.name, isGone);
  if (changed.size === 0) return [state, []];
  const members = new Map(state.members);
  for (const [id, name] of changed) members.set(id, { ...members.get(id)!, name });
  return [{ ...state, members }, [{ kind: "members" }]];
}

/**
 * Of two members with one name, this device knows the one it met first by that name. If the other replaces the first and the first is
 * gone, they swap. Returns the names that change, by id.
 */
export function namesAfterReplacement(
  holders: readonly Holder[],
  own: string,
  isGone: (id: string) => boolean,
): ReadonlyMap<string, string> {
  const names = new Map(holders.map(({ id, name }) => [id, name]));
  const changed = new Map<string, string>();
  const call = (id: string, name: string) => {
    names.set(id, name);
    changed.set(id, name);
  };
  for (const heir of holders) {
    const wanted = heir.record.name;
    const { replaces } = heir.record;
    if (replaces === undefined || names.get(heir.id) === wanted || names.get(replaces) !== wanted) continue;
    if (!isGone(replaces) || isGone(heir.id)) continue;
    call(heir.id, wanted);
    names.delete(replaces);
    call(replaces, freeName(wanted, new Set([own, ...names.values()])));
  }
  return changed;
}
