// How long a suspect has to answer, and how much this device trusts its own senses.
// Pure. Lifeguard (Dadgar, Phillips, Currey 2018), numbers as in memberlist.

const MULTIPLIER = 4;
const LONGEST = 6; // a suspect that one member alone accuses has six times as long
export const WORST_HEALTH = 8;

/** Accusers beyond the first that bring a suspicion down to its shortest; 0 where there are too few members to confirm. */
export function confirmationsWanted(clusterSize: number): number {
  return clusterSize - 2 < MULTIPLIER - 2 ? 0 : MULTIPLIER - 2;
}

/** Time for a suspect to refute, in ms, after `confirmations` members joined the first accuser. */
export function suspicionMs(clusterSize: number, confirmations: number, probeMs: number): number {
  const shortest = MULTIPLIER * Math.max(1, Math.log10(Math.max(1, clusterSize))) * probeMs;
  const wanted = confirmationsWanted(clusterSize);
  if (wanted === 0) return shortest;
  const longest = LONGEST * shortest;
  const progress = Math.log(confirmations + 1) / Math.log(wanted + 1);
  return Math.max(shortest, longest - progress * (longest - shortest));
}

/** Local health: 0 is well; every trouble of our own stretches our patience with others by one. */
export function healthAfter(health: number, change: number): number {
  return Math.min(WORST_HEALTH, Math.max(0, health + change));
}
