// How long to wait before trying again: twice as long after each failure, up to a ceiling, and not in step with others.
// Pure: chance comes in as a number.

export type Pauses = { firstMs: number; longestMs: number };

/** The pause after so many failures before this one. */
export const doubledMs = ({ firstMs, longestMs }: Pauses, failures: number): number =>
  Math.min(longestMs, firstMs * 2 ** failures);

/** Half of that pause up to the whole of it. `random` in [0, 1) spreads devices that were switched on together. */
export const backoffMs = (pauses: Pauses, failures: number, random: number): number =>
  doubledMs(pauses, failures) * (0.5 + random / 2);
