// Of two devices with one name, which takes another, and which one.
// Pure.

type Named = { id: string; name: string; admissions: readonly string[] };

/** The name that `own` must take because `other` has its name and keeps it; undefined where nothing changes. */
export function newName(own: Named, other: Named, taken: readonly string[]): string | undefined {
  if (own.name !== other.name || own.id === other.id) return undefined;
  // Whoever was let in by a member was here first; of two newcomers the one with the lower id keeps the name.
  const [isNew, isOtherNew] = [own.admissions.length === 0, other.admissions.length === 0];
  if (isNew === isOtherNew ? own.id < other.id : isOtherNew) return undefined;
  return freeName(own.name, new Set(taken));
}

/** `attic`, else `attic-2`, `attic-3` and so on. */
export function freeName(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  for (let count = 2; ; count++) {
    // A DNS label has at most 63 characters.
    const next = `${name.slice(0, 58)}-${count}`;
    if (!taken.has(next)) return next;
  }
}

type Holder = { id: string; name: string; record: { name: string; replaces?: string | undefined } };

/**
 * Of two members with one name the one known first goes by it here. Unless the other has come in its place, with a new card in the same
 * board, and the first is gone: then they change. The names that are other than before, by id.
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
