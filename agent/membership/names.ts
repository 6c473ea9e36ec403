// Which of two devices with one name takes another, and which other.
// Pure.

export type Named = { id: string; name: string; admissions: readonly string[] };

/** The name that `own` must take because `other` keeps the one that both have; undefined if `own` keeps its name. */
export function newName(own: Named, other: Named, taken: readonly string[]): string | undefined {
  if (own.name !== other.name || own.id === other.id) return undefined;
  // A device that a member has admitted was here first; of two newcomers the one with the lower id keeps the name.
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
