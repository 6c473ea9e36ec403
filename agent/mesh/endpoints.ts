// By which endpoint each peer is reached: attempts and their results, for the mesh to act on and `net explain` to show.
// Pure: new endpoints and what the kernel shows come in as events, endpoints to use go out as effects. Times are
// monotonic: a device without a clock battery starts hours off, and setting its wall clock must not end an attempt early or never.
import { doubledMs } from "../../system/retry.ts";
import { type Candidate, nextBetter, nextUntried, note, type Offer, offer } from "./candidates.ts";
import { sessionMs } from "./plan.ts";
import type { PeerStatus } from "./status.ts";

/** What the kernel has received from a peer. */
type Received = { handshakeMs: number | undefined; rxBytes: number };
/** One try of an endpoint; `rxBytes` is what the peer's counter showed when it began. */
type Attempt = { endpoint: string; since: number; rxBytes: number };
/** The endpoint that works, or worked last. */
type Used = { endpoint: string; since: number; betterTriedAt: number };
/** Only more than `before` shows that the peer is back; undefined until the first look at a peer in doubt. */
type Search = { before: Received | undefined; tried: string[]; rounds: number };

type Known = {
  candidates: Candidate[];
  /** The latest handshake by the kernel's wall clock, and when we saw it change; absent before the first look at the peer. */
  handshake?: { latestMs: number | undefined; at: number };
};
type Working = Known & { phase: "working"; used: Used };
/** The path works; an endpoint of a better class is being tried. A doubt waits until that attempt ends. */
type Improving = Known & { phase: "improving"; used: Used; attempt: Attempt; isDoubted: boolean };
type Searching = Known & { phase: "searching"; used: Used | undefined; search: Search; attempt: Attempt };
/** Not reached; all endpoints were tried, or the doubt is new. */
type Pausing = Known & { phase: "pausing"; used: Used | undefined; search: Search; until: number };
export type Path = Working | Improving | Searching | Pausing;
export type Paths = ReadonlyMap<string, Path>;

export type Event =
  | ({ kind: "offered"; id: string } & Offer)
  /** `wallNow`: ms since 1970, to tell the age of a handshake that we did not see happen. */
  | { kind: "seen"; id: string; status: PeerStatus | undefined; wallNow: number }
  | { kind: "doubted"; id: string }
  | { kind: "forgotten"; id: string };
/**
 * `afresh`: drop the peer, which has no session to lose, so that it shakes hands at once. `insist`: keep it, only send elsewhere.
 * `confirm`: the kernel uses this endpoint already.
 */
export type Effect = { kind: "use"; id: string; endpoint: string; how: "afresh" | "insist" | "confirm" };

// design 5.6: the old endpoint is put back after 3 s without handshake; a better class is tried once a minute.
export const attemptMs = 3_000;
const betterEveryMs = 60_000;
// WireGuard itself tries again every 5 s; rounds grow from there to a ceiling of a minute.
const pauses = { firstMs: 5_000, longestMs: 60_000 };

export function step(paths: Paths, event: Event, now: number): [Paths, Effect[]] {
  if (event.kind === "forgotten") return [new Map([...paths].filter(([id]) => id !== event.id)), []];
  const [path, effects] = stepOne(paths.get(event.id) ?? noPath, event, now);
  return [new Map(paths).set(event.id, path), effects];
}

function stepOne(path: Path, event: Exclude<Event, { kind: "forgotten" }>, now: number): [Path, Effect[]] {
  switch (event.kind) {
    case "offered":
      return [add(path, event, now), []];
    case "doubted":
      return [doubt(path, now), []];
    case "seen":
      return look(noteHandshake(path, event.status, now, event.wallNow), event.id, event.status, now);
  }
}

export const attemptOf = (path: Path): Attempt | undefined =>
  path.phase === "improving" || path.phase === "searching" ? path.attempt : undefined;
export const isFailing = (path: Path): boolean =>
  path.phase === "searching" || path.phase === "pausing" || (path.phase === "improving" && path.isDoubted);

const nothing: Received = { handshakeMs: undefined, rxBytes: 0 };
const newSearch = (before: Received | undefined): Search => ({ before, tried: [], rounds: 0 });
const noPath: Path = { candidates: [], phase: "pausing", used: undefined, search: newSearch(nothing), until: 0 };

function add(path: Path, news: Offer, now: number): Path {
  const held = [path.used?.endpoint, attemptOf(path)?.endpoint].filter((endpoint) => endpoint !== undefined);
  const has = (candidates: Candidate[]) => candidates.some(({ endpoint }) => endpoint === news.endpoint);
  const candidates = offer(path.candidates, news, held, now);
  const isNew = has(candidates) && !has(path.candidates);
  // Try a new endpoint now, not after the pause.
  return path.phase === "pausing" && isNew ? { ...path, candidates, until: now } : { ...path, candidates };
}

/** The kernel's session may look young for minutes on a dead path: try the endpoints at once. */
function doubt(path: Path, now: number): Path {
  switch (path.phase) {
    case "working":
      return { ...path, phase: "pausing", search: newSearch(undefined), until: now };
    case "improving":
      return { ...path, isDoubted: true };
    case "searching":
      return { ...path, search: { ...path.search, before: undefined } };
    case "pausing":
      return { ...path, search: { ...path.search, before: undefined }, until: now };
  }
}

function noteHandshake(path: Path, status: PeerStatus | undefined, now: number, wallNow: number): Path {
  if (!status) return path;
  const latestMs = status.latestHandshakeMs;
  if (path.handshake && path.handshake.latestMs === latestMs) return path;
  const ageMs = path.handshake || latestMs === undefined ? 0 : Math.max(0, wallNow - latestMs);
  return { ...path, handshake: { latestMs, at: now - ageMs } };
}

function look(path: Path, id: string, status: PeerStatus | undefined, now: number): [Path, Effect[]] {
  switch (path.phase) {
    case "working":
      return lookWorking(path, id, status, now);
    case "improving":
    case "searching":
      return judgeAttempt(path, id, status, now);
    case "pausing":
      return lookPausing(path, id, status, now);
  }
}

function lookWorking(path: Working, id: string, status: PeerStatus | undefined, now: number): [Path, Effect[]] {
  const endpoint = sessionOf(path, status, now)?.endpoint;
  if (endpoint === undefined)
    return tryNext({ ...path, phase: "pausing", search: newSearch(receivedOf(status)), until: now }, id, status, now);
  const { used } = path;
  if (used.endpoint !== endpoint) return [work(path, endpoint, now), [{ kind: "use", id, endpoint, how: "confirm" }]];
  const better = nextBetter(path.candidates, endpoint);
  if (!better || now - used.betterTriedAt < betterEveryMs) return [path, []];
  const attempt: Attempt = { endpoint: better.endpoint, since: now, rxBytes: status?.rxBytes ?? 0 };
  return [
    { ...path, phase: "improving", used: { ...used, betterTriedAt: now }, attempt, isDoubted: false },
    [{ kind: "use", id, endpoint: better.endpoint, how: "insist" }],
  ];
}

function judgeAttempt(
  path: Improving | Searching,
  id: string,
  status: PeerStatus | undefined,
  now: number,
): [Path, Effect[]] {
  const { attempt } = path;
  const failed = { ...path, candidates: note(path.candidates, attempt.endpoint, { result: "noHandshake", at: now }) };
  const session = sessionOf(path, status, now);
  if (session?.endpoint !== undefined && session.rxBytes > attempt.rxBytes) {
    // WireGuard sends to where the peer last sent from: had the peer answered from elsewhere, the endpoint would have moved there.
    const { endpoint } = session;
    const next =
      endpoint === attempt.endpoint ? work(path, endpoint, now, now - attempt.since) : work(failed, endpoint, now);
    return [next, [{ kind: "use", id, endpoint, how: "confirm" }]];
  }
  if (now - attempt.since < attemptMs) return [path, []];
  const { attempt: _, ...rest } = failed;
  if (rest.phase === "improving") {
    const { isDoubted, ...known } = rest;
    const back: Effect = { kind: "use", id, endpoint: known.used.endpoint, how: "insist" };
    const working: Working = { ...known, phase: "working" };
    return [isDoubted ? doubt(working, now) : working, [back]];
  }
  const search = { ...rest.search, tried: [...rest.search.tried, attempt.endpoint] };
  return tryNext({ ...rest, phase: "pausing", search, until: now }, id, status, now);
}

function lookPausing(path: Pausing, id: string, status: PeerStatus | undefined, now: number): [Path, Effect[]] {
  const received = receivedOf(status);
  const before = path.search.before ?? received;
  const endpoint = sessionOf(path, status, now)?.endpoint;
  // A peer that reached us by itself needs no attempt.
  if (endpoint !== undefined && isMore(received, before))
    return [work(path, endpoint, now), [{ kind: "use", id, endpoint, how: "confirm" }]];
  const waiting: Pausing = { ...path, search: { ...path.search, before } };
  return now < path.until ? [waiting, []] : tryNext(waiting, id, status, now);
}

/** Tries the best candidate that is left in this round; after all of them, pauses. */
function tryNext(path: Pausing, id: string, status: PeerStatus | undefined, now: number): [Path, Effect[]] {
  const { until: _, ...known } = path;
  const { search, used, candidates } = known;
  // The suspicion may be wrong, and giving up a session for it would heal no partition (design 6): keep the session while it lasts.
  const session = sessionOf(path, status, now);
  const next = nextUntried(candidates, search.tried);
  if (next) {
    // A peer made afresh counts from zero: all that it receives, it receives during this attempt.
    const attempt: Attempt = { endpoint: next.endpoint, since: now, rxBytes: session?.rxBytes ?? 0 };
    const effect: Effect = { kind: "use", id, endpoint: next.endpoint, how: session ? "insist" : "afresh" };
    return [{ ...known, phase: "searching", attempt }, [effect]];
  }
  if (candidates.length === 0) return [path, []];
  const pauseMs = doubledMs(pauses, search.rounds);
  const paused: Pausing = {
    ...path,
    search: { ...search, tried: [], rounds: search.rounds + 1 },
    until: now + pauseMs,
  };
  // The peer may answer again where it answered last.
  if (!session || used === undefined || used.endpoint === session.endpoint) return [paused, []];
  return [paused, [{ kind: "use", id, endpoint: used.endpoint, how: "insist" }]];
}

function work(path: Path, endpoint: string, now: number, tookMs?: number): Working {
  // Try a better class a minute after the path began to work, not in its first second.
  const betterTriedAt = path.used?.betterTriedAt ?? now;
  const used = path.used?.endpoint === endpoint ? path.used : { endpoint, since: now, betterTriedAt };
  const isKnown = path.candidates.some((candidate) => candidate.endpoint === endpoint);
  const candidates = isKnown
    ? path.candidates
    : offer(path.candidates, { endpoint, class: "observed", source: "wireguard" }, [endpoint], now);
  return {
    phase: "working",
    candidates: note(candidates, endpoint, { result: "works", at: now, ...(tookMs !== undefined && { tookMs }) }),
    ...(path.handshake && { handshake: path.handshake }),
    used,
  };
}

const receivedOf = (status: PeerStatus | undefined): Received =>
  status ? { handshakeMs: status.latestHandshakeMs, rxBytes: status.rxBytes } : nothing;
const isMore = (received: Received, before: Received): boolean =>
  received.handshakeMs !== before.handshakeMs || received.rxBytes > before.rxBytes;

/** The peer's status if its session still carries traffic. */
function sessionOf({ handshake }: Path, status: PeerStatus | undefined, now: number): PeerStatus | undefined {
  const isYoung = handshake !== undefined && now - handshake.at < sessionMs;
  return status?.latestHandshakeMs !== undefined && isYoung ? status : undefined;
}
