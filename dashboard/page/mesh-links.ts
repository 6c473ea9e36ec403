// The links of the mesh, put together from what both ends report.
// Pure.
import type { MemberStatus } from "../../agent/api/schema.ts";

export type MeshLink = {
  /** Member ids, in alphabetical order. */
  ends: [string, string];
  /** Which of the two ends report the link. */
  reportedBy: string[];
  /** Each end that reports it has had a handshake lately. */
  isFresh: boolean;
  /** The best that either end measured. */
  rttMs?: number;
  path?: string;
};

/** WireGuard renews a session every 2 minutes and ends it after 3 (its paper, 6.1). */
const freshHandshakeS = 180;

/** A report about a device that is not among `members` is left out. */
export function meshLinks(members: readonly MemberStatus[]): MeshLink[] {
  const ids = new Set(members.map(({ id }) => id));
  const links = new Map<string, MeshLink>();
  for (const { id, peers = [] } of members) {
    for (const peer of peers) {
      if (peer.id === id || !ids.has(peer.id)) continue;
      const ends: [string, string] = id < peer.id ? [id, peer.id] : [peer.id, id];
      const known = links.get(ends.join()) ?? { ends, reportedBy: [], isFresh: true };
      // One end that repeats itself does not speak for the other.
      if (known.reportedBy.includes(id)) continue;
      const rtts = [known.rttMs, peer.rttMs].filter((rtt) => rtt !== undefined);
      const path = known.path ?? peer.path;
      links.set(ends.join(), {
        ends,
        reportedBy: [...known.reportedBy, id],
        isFresh: known.isFresh && (peer.handshakeAgeS ?? Number.POSITIVE_INFINITY) < freshHandshakeS,
        ...(rtts.length > 0 && { rttMs: Math.min(...rtts) }),
        ...(path !== undefined && { path }),
      });
    }
  }
  return [...links.values()];
}
