// Reproducible randomness: the same seed and index give the same numbers.

export type Random = {
  /** 0 to `count` - 1. */
  below(count: number): number;
  of<T>(choices: readonly T[]): T;
};

/** mulberry32: small, and good enough for choosing bytes. */
export function makeRandom(seed: number, index: number): Random {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (count: number) => Math.floor(next() * count);
  return { below, of: (choices) => choices[below(choices.length)]! };
}
