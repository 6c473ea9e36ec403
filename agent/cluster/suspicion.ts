// How long a suspect has to answer, and how far this device trusts its own probes.
// Pure. Lifeguard (Dadgar, Phillips, Currey 2018), numbers as in memberlist.

const MULTIPLIER = 4;
const LONGEST = 6; // a suspect with a single accuser has six times as long
export const WORST_HEALTH = 8;

/** How many further accusers bring a suspicion down to its shortest; 0 if there are too few members to confirm. */
export function confirmationsWanted(clusterSize: number): number {
  return clusterSize - 2 < MULTIPLIER - 2 ? 0 : MULTIPLIER - 2;
}

/** The least time that a suspect has. */
export const shortestMs = (clusterSize: number, probeMs: number): number =>
  MULTIPLIER * Math.max(1, Math.log10(Math.max(1, clusterSize))) * probeMs;

/** How long a suspect may take to refute, in ms, after `confirmations` members joined the first accuser. */
export function suspicionMs(clusterSize: number, confirmations: number, probeMs: number): number {
  const shortest = shortestMs(clusterSize, probeMs);
  const wanted = confirmationsWanted(clusterSize);
  if (wanted === 0) return shortest;
  const longest = LONGEST * shortest;
  const progress = Math.min(1, Math.log(confirmations + 1) / Math.log(wanted + 1));
  return Math.max(shortest, longest - progress * (longest - shortest));
}

/** Local health: 0 is well; each problem of our own adds one, and one more timeout to our patience with others. */
export function healthAfter(health: number, change: number): number {
  return Math.min(WORST_HEALTH, Math.max(0, health + change));
}
