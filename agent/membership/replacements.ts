// A device that replaces another: a new card in the same board takes over the old card's name once the old device is gone.
// Pure.
import { freeName } from "./names.ts";

type Holder = { id: string; name: string; record: { name: string; replaces?: string | undefined } };

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
