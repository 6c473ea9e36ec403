// By which endpoint each peer is reached: candidates, trials and their results, for the mesh to act on and `net explain` to show.
// Pure: what was heard and what the kernel says come in as events, endpoints to use go out as effects. Times are
// monotonic: a device without a battery for its clock starts hours off, and a wall clock set right ends no trial early or never.
import { isInside, isWithin, type Prefix, parseAddress, prefixOf } from "../../system/address.ts";
import { canonicalEndpoint, parseEndpoint } from "../../system/endpoint.ts";
import { sessionMs } from "./plan.ts";
import type { PeerStatus } from "./status.ts";

/** Best first. Mapped, relay and web socket have no source yet that offers them. */
export const pathClasses = ["sameLink", "globalIpv6", "mapped", "observed", "relay", "webSocket"] as const;
export type PathClass = (typeof pathClasses)[number];
/** Who told us: the member's own record, a hello or mDNS on the link, a seed, or WireGuard, which follows a roaming peer. */
export type Source = "record" | "hello" | "mdns" | "seed" | "wireguard";
export type Result = { result: "works"; at: number; tookMs?: number } | { result: "noHandshake"; at: number };
export type Candidate = { endpoint: string; class: PathClass; source: Source; heardAt: number; last?: Result };
/** A subnet of this device: what lies in it is on the same link. */
export type Link = { address: string; prefixLength: number };

type Heard = { handshakeMs: number | undefined; rxBytes: number };
type Trial = { endpoint: string; since: number; rxBytes: number; back?: string };
export type Path = {
  candidates: Candidate[];
  inUse?: { endpoint: string; since: number };
  trial?: Trial;
  /** The peer's latest handshake by the kernel's wall clock, and when we saw it change; absent before the first look at the peer. */
  handshake?: { latestMs: number | undefined; at: number };
  /** Others doubt that the peer is reachable, or the kernel has no session; `heard` is what the kernel had of it then, and only more ends it. */
  failing?: { heard?: Heard };
  /** Endpoints tried since the path began to fail; when all are, the next round waits. */
  tried: string[];
  rounds: number;
  pauseUntil: number;
  betterTriedAt: number;
};
export type Paths = ReadonlyMap<string, Path>;
export type Event =
  | { kind: "heard"; id: string; endpoint: string; class: PathClass; source: Source }
  /** `wallNow`: ms since 1970, to tell how old a handshake is that we did not see happen. */
  | { kind: "seen"; id: string; status: PeerStatus | undefined; wallNow: number }
  | { kind: "doubted"; id: string }
  | { kind: "forgotten"; id: string };
/** `afresh`: drop the peer, which has no session to lose, so that it shakes hands at once; else keep it and only send elsewhere. */
export type Effect = { kind: "use"; id: string; endpoint: string; how: "afresh" | "insist" | "settled" };

export const maxCandidates = 8;
// Where a hello came from nobody has signed: whoever replays one from elsewhere adds these few and no more.
export const maxUnsigned = 2;
// design 5.6: the old endpoint is put back after 3 s without handshake; a better class is tried once a minute.
export const trialMs = 3_000;
const betterEveryMs = 60_000;
// WireGuard itself tries again every 5 s; rounds grow from there to a ceiling of a minute.
const firstPauseMs = 5_000;
const longestPauseMs = 60_000;

export function step(paths: Paths, event: Event, now: number): [Paths, Effect[]] {
  const path = paths.get(event.id) ?? noPath;
  switch (event.kind) {
    case "heard":
      return [put(paths, event.id, hear(path, event, now)), []];
    case "doubted":
      // The kernel's session may look young for minutes on a dead path: try at once what there is.
      return [put(paths, event.id, { ...path, failing: {}, pauseUntil: now }), []];
    case "seen": {
      const [next, effects] = see(look(path, event.status, now, event.wallNow), event.id, event.status, now);
      return [put(paths, event.id, next), effects];
    }
    case "forgotten":
      return [new Map([...paths].filter(([id]) => id !== event.id)), []];
  }
}

const nothing: Heard = { handshakeMs: undefined, rxBytes: 0 };
const noPath: Path = {
  candidates: [],
  failing: { heard: nothing },
  tried: [],
  rounds: 0,
  pauseUntil: 0,
  betterTriedAt: 0,
};
const put = (paths: Paths, id: string, path: Path): Paths => new Map(paths).set(id, path);

function hear(path: Path, news: { endpoint: string; class: PathClass; source: Source }, now: number): Path {
  const known = path.candidates.find(({ endpoint }) => endpoint === news.endpoint);
  const candidate: Candidate = {
    ...known,
    endpoint: news.endpoint,
    class: news.class,
    // A hello from a place that the record names takes nothing from the record's word.
    source: known && isSigned(known) && !isSigned(news) ? known.source : news.source,
    heardAt: now,
  };
  const others = path.candidates.filter((other) => other !== known);
  // Too many: what nobody signed goes first, then the worst, among equals the one heard longest ago, but never what is in use or on trial.
  const isHeld = ({ endpoint }: Candidate) => endpoint === path.inUse?.endpoint || endpoint === path.trial?.endpoint;
  const sorted = [...others, candidate].sort(
    (a, b) =>
      Number(isHeld(b)) - Number(isHeld(a)) ||
      Number(isSigned(b)) - Number(isSigned(a)) ||
      rank(a) - rank(b) ||
      b.heardAt - a.heardAt,
  );
  const unsigned = sorted.filter((other) => !isSigned(other)).slice(maxUnsigned);
  const kept = sorted.filter((other) => !unsigned.includes(other)).slice(0, maxCandidates);
  const isNew = !known && kept.includes(candidate);
  // News while nothing works is worth a trial now, not after the pause.
  return { ...path, candidates: kept, ...(isNew && path.failing && { pauseUntil: now }) };
}

/** Notes when the kernel's handshake changed. */
function look(path: Path, status: PeerStatus | undefined, now: number, wallNow: number): Path {
  if (!status) return path;
  const latestMs = status.latestHandshakeMs;
  if (path.handshake && path.handshake.latestMs === latestMs) return path;
  const ageMs = path.handshake || latestMs === undefined ? 0 : Math.max(0, wallNow - latestMs);
  return { ...path, handshake: { latestMs, at: now - ageMs } };
}

function see(path: Path, id: string, status: PeerStatus | undefined, now: number): [Path, Effect[]] {
  return path.trial ? judgeTrial(path, path.trial, id, status, now) : judgePath(path, id, status, now);
}

function judgeTrial(
  path: Path,
  trial: Trial,
  id: string,
  status: PeerStatus | undefined,
  now: number,
): [Path, Effect[]] {
  const heardSince = status !== undefined && status.rxBytes > trial.rxBytes && hasSession(path, status, now);
  if (heardSince && status.endpoint !== undefined) {
    // WireGuard answers to where it last heard from: had the peer spoken from elsewhere, the endpoint would have moved there.
    const isTrials = status.endpoint === trial.endpoint;
    const judged = isTrials ? path : note(path, trial.endpoint, { result: "noHandshake", at: now });
    const next = works(judged, status.endpoint, now, isTrials ? now - trial.since : undefined);
    return [next, [{ kind: "use", id, endpoint: status.endpoint, how: "settled" }]];
  }
  if (now - trial.since < trialMs) return [path, []];
  const { trial: _, ...rest } = note(path, trial.endpoint, { result: "noHandshake", at: now });
  if (trial.back !== undefined) return [rest, [{ kind: "use", id, endpoint: trial.back, how: "insist" }]];
  return tryNext({ ...rest, tried: [...rest.tried, trial.endpoint] }, id, status, now);
}

function judgePath(path: Path, id: string, status: PeerStatus | undefined, now: number): [Path, Effect[]] {
  const endpoint = status && hasSession(path, status, now) ? status.endpoint : undefined;
  if (path.failing || endpoint === undefined) {
    const before = path.failing?.heard ?? heardOf(status);
    // A peer that reached us by itself needs no trial.
    if (endpoint !== undefined && isMore(heardOf(status), before)) {
      return [works(path, endpoint, now), [{ kind: "use", id, endpoint, how: "settled" }]];
    }
    const failing: Path = { ...path, failing: { heard: before } };
    return now < path.pauseUntil ? [failing, []] : tryNext(failing, id, status, now);
  }
  if (path.inUse?.endpoint !== endpoint) {
    return [works(path, endpoint, now), [{ kind: "use", id, endpoint, how: "settled" }]];
  }
  const used = path.candidates.find((candidate) => candidate.endpoint === endpoint);
  const better = path.candidates
    .filter((candidate) => rank(candidate) < (used ? rank(used) : pathClasses.length))
    .sort((a, b) => turn(a) - turn(b))[0];
  if (!better || now - path.betterTriedAt < betterEveryMs) return [path, []];
  const trial: Trial = { endpoint: better.endpoint, since: now, rxBytes: status?.rxBytes ?? 0, back: endpoint };
  return [{ ...path, trial, betterTriedAt: now }, [{ kind: "use", id, endpoint: better.endpoint, how: "insist" }]];
}

/** The best candidate not yet tried in this round; a pause when all were. */
function tryNext(path: Path, id: string, status: PeerStatus | undefined, now: number): [Path, Effect[]] {
  // Suspicion may be wrong, and a session that was given up for it heals no partition (design 6): kept while it lasts.
  const session = status && hasSession(path, status, now) ? status : undefined;
  const next = path.candidates
    .filter(({ endpoint }) => !path.tried.includes(endpoint))
    .sort((a, b) => rank(a) - rank(b) || Number(isSigned(b)) - Number(isSigned(a)) || b.heardAt - a.heardAt)[0];
  // Ever new places from replayed hellos must not make a round endless: the signed ones come again in the next.
  if (next && path.tried.length < maxCandidates) {
    // Made afresh, a peer's counters are too: whatever it receives, it received on this trial.
    const trial: Trial = { endpoint: next.endpoint, since: now, rxBytes: session?.rxBytes ?? 0 };
    return [{ ...path, trial }, [{ kind: "use", id, endpoint: next.endpoint, how: session ? "insist" : "afresh" }]];
  }
  if (path.candidates.length === 0) return [path, []];
  const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** path.rounds);
  const paused: Path = { ...path, tried: [], rounds: path.rounds + 1, pauseUntil: now + pauseMs };
  // Where it was heard last it may be heard again.
  const back = path.inUse?.endpoint;
  if (!session || back === undefined || back === session.endpoint) return [paused, []];
  return [paused, [{ kind: "use", id, endpoint: back, how: "insist" }]];
}

function works(path: Path, endpoint: string, now: number, tookMs?: number): Path {
  const { trial: _, failing: __, ...rest } = path;
  const inUse = path.inUse?.endpoint === endpoint ? path.inUse : { endpoint, since: now };
  const next: Path = { ...rest, inUse, tried: [], rounds: 0, pauseUntil: 0 };
  // A better class is tried a minute after the path began to work, not into its first second.
  const started: Path = path.inUse ? next : { ...next, betterTriedAt: now };
  const isKnown = started.candidates.some((candidate) => candidate.endpoint === endpoint);
  const known = isKnown ? started : hear(started, { endpoint, class: "observed", source: "wireguard" }, now);
  return note(known, endpoint, { result: "works", at: now, ...(tookMs !== undefined && { tookMs }) });
}

const note = (path: Path, endpoint: string, last: Result): Path => ({
  ...path,
  candidates: path.candidates.map((candidate) =>
    candidate.endpoint === endpoint ? { ...candidate, last } : candidate,
  ),
});
const heardOf = (status: PeerStatus | undefined): Heard =>
  status ? { handshakeMs: status.latestHandshakeMs, rxBytes: status.rxBytes } : nothing;
const isMore = (heard: Heard, before: Heard): boolean =>
  heard.handshakeMs !== before.handshakeMs || heard.rxBytes > before.rxBytes;
const isSigned = ({ source }: Pick<Candidate, "source">): boolean => source !== "hello" && source !== "mdns";
/** Better ones are tried in turn; an unsigned one waits from when it was heard, so that new ones never overtake the signed. */
const turn = (candidate: Candidate): number => candidate.last?.at ?? (isSigned(candidate) ? 0 : candidate.heardAt);
const rank = (candidate: Candidate): number => pathClasses.indexOf(candidate.class);
const hasSession = ({ handshake }: Path, status: PeerStatus, now: number): boolean =>
  status.latestHandshakeMs !== undefined && handshake !== undefined && now - handshake.at < sessionMs;

/** What an endpoint from outside is to us: its one spelling and its class; undefined for places no peer can be. */
export function classify(
  text: string,
  links: Link[],
  prefix: string,
): { endpoint: string; class: PathClass } | undefined {
  const endpoint = canonicalEndpoint(text);
  const parsed = endpoint === undefined ? undefined : parseEndpoint(endpoint);
  if (endpoint === undefined || !parsed) return undefined;
  const address = parseAddress(parsed.address)!;
  const isIn = (...prefixes: Prefix[]) => prefixes.some((one) => isWithin(address, one));
  if (isIn(...places.none)) return undefined;
  // Inside our own mesh: a tunnel through itself.
  if (isInside(parsed.address, prefix)) return undefined;
  if (isIn(places.linkLocal)) return parsed.scope === undefined ? undefined : { endpoint, class: "sameLink" };
  if (links.some((link) => isInside(parsed.address, `${link.address}/${link.prefixLength}`)))
    return { endpoint, class: "sameLink" };
  return { endpoint, class: isIn(places.global) ? "globalIpv6" : "observed" };
}

const places = {
  /** This network, loopback, multicast and what is reserved. */
  none: ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/8", "ff00::/8"].map(prefixOf),
  linkLocal: prefixOf("fe80::/10"),
  global: prefixOf("2000::/3"),
};
