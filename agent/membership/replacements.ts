// A device that replaces another: a new card in the same board takes over the old card's name while the old device is gone.
// Pure.
import { boardKeyOf } from "../../provisioning/handover/board.ts";
import type { MemberRecord } from "../../provisioning/trust/record.ts";
import { formerOf, isReplacement, signReplacement } from "../../provisioning/trust/replacement.ts";
import { freeName } from "./free-name.ts";
import type { Effect, Member, Self, State, Step } from "./state.ts";

type Holder = Pick<Member, "name" | "replaces" | "tookFrom"> & { record: Pick<MemberRecord, "id" | "name"> };
type Lives = "gone" | "alive" | undefined;

/** Proves that `record` is of this very board under another key: of a card that was in it before. Undefined if it is not. */
export function ownReplacement(
  { id: heir, board, neighborhood }: Pick<Self, "id" | "board" | "neighborhood">,
  { id: former, deviceKey, boardIdentity }: Pick<MemberRecord, "id" | "deviceKey" | "boardIdentity">,
): string | undefined {
  if (former === heir || boardIdentity === undefined || !board) return undefined;
  const key = boardKeyOf(board, deviceKey);
  if (key?.publicKey !== boardIdentity) return undefined;
  return signReplacement({ neighborhood: neighborhood.id, former, heir }, key);
}

/** The id of the member that `record` proves to replace. */
export function provenFormer({ self, members }: State, record: MemberRecord): string | undefined {
  if (record.replaces === undefined) return undefined;
  const former = members.get(formerOf(record.replaces))?.record;
  if (former?.boardIdentity === undefined || former.id === record.id) return undefined;
  const replaced = { neighborhood: self.neighborhood.id, heir: record.id };
  return isReplacement(record.replaces, replaced, former.boardIdentity) ? former.id : undefined;
}

/** The members whose name a living heir has taken over. */
export const replaced = ({ members, liveness }: State): Set<string> =>
  new Set(
    [...members.values()].flatMap(({ record, name, replaces }) =>
      replaces !== undefined && name === record.name && livesOf(liveness, record.id) !== "gone" ? replaces : [],
    ),
  );

const livesOf = (liveness: State["liveness"], id: string): Lives => {
  const state = liveness.get(id);
  return state === "dead" || state === "left" ? "gone" : state === "alive" ? "alive" : undefined;
};

export function applyReplacements(state: State): Step {
  const changed = namesAfterReplacement([...state.members.values()], state.own.name, (id) =>
    livesOf(state.liveness, id),
  );
  if (changed.size === 0) return [state, []];
  const members = new Map(state.members);
  for (const [id, called] of changed) members.set(id, { ...members.get(id)!, ...called });
  const next = { ...state, members };
  const cleared = [...replaced(next)].map((subject): Effect => ({ kind: "clear", code: "member.dead", subject }));
  return [next, [{ kind: "save", file: "roster" }, { kind: "members" }, ...cleared]];
}

/**
 * A former device that is gone leaves its name to its heir, and has it back when it lives. Whatever is neither gone nor alive changes
 * nothing, and nobody gets a name that it did not have here: whoever knows a board's serial number can pass for an earlier card of it.
 * Returns the names that change, by id.
 */
export function namesAfterReplacement(
  holders: readonly Holder[],
  own: string,
  lives: (id: string) => Lives,
): ReadonlyMap<string, Pick<Member, "name" | "tookFrom">> {
  const byId = new Map(holders.map((holder) => [holder.record.id, holder]));
  const names = new Map(holders.map(({ record, name }) => [record.id, name]));
  const changed = new Map<string, Pick<Member, "name" | "tookFrom">>();
  const call = (id: string, name: string, tookFrom: string | undefined) => {
    names.set(id, name);
    changed.set(id, { name, tookFrom });
  };
  const swap = (from: string, to: string, name: string, tookFrom: string | undefined) => {
    names.delete(from);
    call(to, name, tookFrom);
    call(from, freeName(name, new Set([own, ...names.values()])), undefined);
  };
  for (const { record: heir, replaces, tookFrom } of holders) {
    const former = replaces === undefined ? undefined : byId.get(replaces)?.record;
    // One name is at stake: that which both have.
    if (!former || former.name !== heir.name) continue;
    const isHeirs = names.get(heir.id) === heir.name;
    const isFormers = names.get(former.id) === heir.name;
    if (isFormers && lives(former.id) === "gone" && lives(heir.id) !== "gone")
      swap(former.id, heir.id, heir.name, former.id);
    if (isHeirs && tookFrom === former.id && lives(former.id) === "alive")
      swap(heir.id, former.id, heir.name, undefined);
  }
  return changed;
}
