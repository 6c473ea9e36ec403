// How large the files of a release may be.
// Pure.

/** Larger than any real one: with ten recipes and five parts a manifest has about 3 kB. */
export const maxManifestBytes = 64 << 10;
/** What a slot of nix/layout.json can hold, and any kernel or boot partition. */
export const maxPartBytes = 4 * 2 ** 30;
/**
 * All that a slot of nix/layout.json holds, in chunks of the shortest length with what deltas need of each, are 4.1 MiB. A device keeps
 * two recipes in memory beside the heap of its updater.
 */
export const maxRecipeBytes = 5 << 20;
