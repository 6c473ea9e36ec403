// The endpoints at which a peer may answer: which are kept, and in which order they are tried.
// Pure. Times are monotonic.

/** Best first. Nothing offers mapped, relay and webSocket endpoints yet. */
export const pathClasses = ["sameLink", "globalIpv6", "mapped", "observed", "relay", "webSocket"] as const;
export type PathClass = (typeof pathClasses)[number];
/** Who told us: the member's own record, a hello or mDNS on the link, a seed, or WireGuard, which follows a roaming peer. */
export type Source = "record" | "hello" | "mdns" | "seed" | "wireguard";
export type Result = { result: "works"; at: number; tookMs?: number } | { result: "noHandshake"; at: number };
export type Candidate = { endpoint: string; class: PathClass; source: Source; heardAt: number; last?: Result };
export type Offer = Pick<Candidate, "endpoint" | "class" | "source">;

export const maxCandidates = 8;
// Nobody signs where a hello came from: replaying hellos from elsewhere adds these few and no more.
export const maxUnsigned = 2;

/** Adds an endpoint or renews it. `held` are those in use or being tried, which always stay. */
export function offer(candidates: Candidate[], news: Offer, held: string[], now: number): Candidate[] {
  const known = candidates.find(({ endpoint }) => endpoint === news.endpoint);
  const candidate: Candidate = {
    ...known,
    endpoint: news.endpoint,
    class: news.class,
    // An unsigned hello from an endpoint that the record names does not replace the record as its source.
    source: known && isSigned(known) && !isSigned(news) ? known.source : news.source,
    heardAt: now,
  };
  const isHeld = ({ endpoint }: Candidate) => held.includes(endpoint);
  // If there are too many, drop the unsigned first, then the worst class, then the one that was named longest ago.
  const sorted = [...candidates.filter((other) => other !== known), candidate].sort(
    (a, b) =>
      Number(isHeld(b)) - Number(isHeld(a)) ||
      Number(isSigned(b)) - Number(isSigned(a)) ||
      rank(a) - rank(b) ||
      b.heardAt - a.heardAt,
  );
  const surplus = sorted.filter((other) => !isSigned(other)).slice(maxUnsigned);
  return sorted.filter((other) => !surplus.includes(other)).slice(0, maxCandidates);
}

/** The best one that this round has not tried. */
export function nextUntried(candidates: Candidate[], tried: string[]): Candidate | undefined {
  // New endpoints from replayed hellos must not make a round endless: the signed ones come again in the next.
  if (tried.length >= maxCandidates) return undefined;
  return candidates
    .filter(({ endpoint }) => !tried.includes(endpoint))
    .sort((a, b) => rank(a) - rank(b) || Number(isSigned(b)) - Number(isSigned(a)) || b.heardAt - a.heardAt)[0];
}

/** One of a better class than the endpoint in use; they take turns. */
export function nextBetter(candidates: Candidate[], inUse: string): Candidate | undefined {
  const used = candidates.find(({ endpoint }) => endpoint === inUse);
  return candidates
    .filter((candidate) => rank(candidate) < (used ? rank(used) : pathClasses.length))
    .sort((a, b) => turn(a) - turn(b))[0];
}

export const note = (candidates: Candidate[], endpoint: string, last: Result): Candidate[] =>
  candidates.map((candidate) => (candidate.endpoint === endpoint ? { ...candidate, last } : candidate));

const isSigned = ({ source }: Pick<Candidate, "source">): boolean => source !== "hello" && source !== "mdns";
/** An unsigned endpoint waits from when it was named, so that new ones never overtake the signed. */
const turn = (candidate: Candidate): number => candidate.last?.at ?? (isSigned(candidate) ? 0 : candidate.heardAt);
const rank = (candidate: Candidate): number => pathClasses.indexOf(candidate.class);
