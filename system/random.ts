// Repeatable chance: the same seed gives the same choices.
// Pure (mulberry32: 32 bits of state, even enough for picking peers, useless for secrets).

export type Random = { seed: number };

/** A number in [0, 1). Advances `random.seed`. */
export function draw(random: Random): number {
  random.seed = (random.seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(random.seed ^ (random.seed >>> 15), 1 | random.seed);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
}

export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(draw(random) * (last + 1));
    [result[last], result[other]] = [result[other]!, result[last]!];
  }
  return result;
}

/** Up to `count` different items. */
export const sample = <T>(random: Random, items: readonly T[], count: number): T[] =>
  pick(random, items.length, count).map((index) => items[index]!);

/** Up to `count` different numbers below `below`. */
export function pick(random: Random, below: number, count: number): number[] {
  if (below <= count)
    return shuffled(
      random,
      Array.from({ length: below }, (_, index) => index),
    );
  const picked = new Set<number>();
  while (picked.size < count) picked.add(Math.floor(draw(random) * below));
  return [...picked];
}
