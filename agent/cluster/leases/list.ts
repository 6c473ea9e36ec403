// The numbered list of voters: who decides about leases, and which of two lists counts.
// Pure.

/** `founder` tells apart lists that began without knowing of each other. */
export type VoterList = { readonly founder: string; readonly number: number; readonly voters: readonly string[] };
export type Change = { readonly op: "add" | "remove"; readonly id: string };

/** More voters make nothing safer, and a state of so many fits into a datagram. */
export const mostVoters = 15;

export const foundedBy = (id: string): VoterList => ({ founder: id, number: 1, voters: [id] });

export const majorityOf = (count: number): number => Math.floor(count / 2) + 1;

export function changed({ founder, number, voters }: VoterList, { op, id }: Change): VoterList {
  const others = voters.filter((voter) => voter !== id);
  return { founder, number: number + 1, voters: op === "add" ? [...others, id].sort() : others };
}

/** Whether the change makes a list that may exist. */
export function isSound({ voters }: VoterList, { op, id }: Change): boolean {
  return op === "add" ? !voters.includes(id) && voters.length < mostVoters : voters.includes(id) && voters.length > 1;
}

export const isSameList = (a: VoterList, b: VoterList): boolean =>
  a.founder === b.founder && a.number === b.number && a.voters.join() === b.voters.join();

/**
 * Whether `a` counts where both are known. Of lists of different founders one that nobody has joined yet comes last, before it one of
 * two, for one member's word moves no more than that; then the founder's id decides, so that no two groups each give way to the other.
 */
export function outranks(a: VoterList, b: VoterList): boolean {
  if (a.founder === b.founder) return a.number > b.number;
  const [rankA, rankB] = [rankOf(a), rankOf(b)];
  return rankA === rankB ? a.founder < b.founder : rankA > rankB;
}

const rankOf = ({ number, voters }: VoterList): number => (number === 1 ? 0 : isSmall(voters) ? 1 : 2);

/**
 * Whether a voter that was given up may count again. If it was the only one, every majority of the list without it shares a voter with
 * every majority of the list with it; of two, the others must first vote one out.
 */
export const mayCountAgain = (voters: readonly string[], id: string, ended: ReadonlySet<string>): boolean =>
  !voters.includes(id) || !voters.some((other) => other !== id && ended.has(other));

/** Of so few each may stop all the others anyway. */
export const isSmall = (voters: readonly string[]): boolean => voters.length <= 2;
