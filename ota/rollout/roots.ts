// Whether a device that says it has the release runs what the release's manifest names. A device that lies on purpose can name the right
// root hash; this finds those that mean it: a slot of yesterday, a release that was built again under the same version.
// Pure. Times are monotonic.
import type { HeardResult, KnownRoot, Member, SignedRoot, View } from "./view.ts";

/** Those of the rollouts under way, and some from before. */
const most = 8;

/** The same if nothing is new. A manifest that was published again counts as it is now. */
export function hearRoots(
  before: readonly KnownRoot[],
  roots: readonly SignedRoot[],
  nowMs: number,
): readonly KnownRoot[] {
  const isKnown = ({ release, rootHash }: SignedRoot) =>
    before.some((known) => known.release === release && known.rootHash === rootHash);
  const news = roots.filter((root) => !isKnown(root));
  if (news.length === 0) return before;
  const others = before.filter(({ release }) => !news.some((one) => one.release === release));
  return [...others, ...news.map(({ release, rootHash }) => ({ release, rootHash, sinceMs: nowMs }))].slice(-most);
}

/**
 * Since when this device knows that a word of success is none; undefined if it is one, or if nobody can tell here: each board has its own
 * manifest, and an updater verifies that of its own board, at the latest before it restarts into the release itself. A word without a root
 * hash proves nothing, except this device's own before it is signed.
 */
export function wrongSinceMs({ self, members, roots }: View, member: Member, result: HeardResult): number | undefined {
  const root = roots.find(({ release }) => release === result.release);
  const isOfBoard = member.board !== undefined && member.board === members.get(self)?.board;
  if (!root || !isOfBoard || result.rootHash === root.rootHash) return undefined;
  if (member.id === self && result.rootHash === undefined) return undefined;
  return Math.max(result.heardAtMs, root.sinceMs);
}
