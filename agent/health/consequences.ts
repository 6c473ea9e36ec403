// Warnings and what follows from them: one dead cable is one warning, with its consequences below it.
// Pure.

type Linked = { code: string; follows?: string | undefined };

/** The warnings that follow from none of the others. */
export function originsOf<W extends Linked>(warnings: readonly W[]): W[] {
  const codes = new Set(warnings.map(({ code }) => code));
  return warnings.filter(({ follows }) => follows === undefined || !codes.has(follows));
}

/** Whatever follows from the warning of this code, directly or not; each once, for another device's status may be a circle. */
export function consequencesOf<W extends Linked>(code: string, warnings: readonly W[]): W[] {
  const found = new Set<W>();
  const codes = [code];
  for (const cause of codes) {
    for (const warning of warnings) {
      if (warning.follows !== cause || found.has(warning)) continue;
      found.add(warning);
      codes.push(warning.code);
    }
  }
  return [...found];
}
