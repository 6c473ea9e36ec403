// The next free name.
// Pure.

/** `attic`, else `attic-2`, `attic-3` and so on. */
export function freeName(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  for (let count = 2; ; count++) {
    // A DNS label has at most 63 characters.
    const next = `${name.slice(0, 58)}-${count}`;
    if (!taken.has(next)) return next;
  }
}
