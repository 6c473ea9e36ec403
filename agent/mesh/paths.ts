// Finds an endpoint for each peer: reads how the peers fare, steps endpoints.ts, and tells the mesh which endpoints to use.
import type { Clock } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Result, Source } from "./candidates.ts";
import { classify, type Link } from "./classify.ts";
import { attemptOf, type Effect, type Event, isFailing, type Paths as PathsView, step } from "./endpoints.ts";
import type { Mesh } from "./mesh.ts";
import type { WantedPeer } from "./plan.ts";
import type { PeerStatus } from "./status.ts";

export type PathsOptions = {
  mesh: Mesh;
  prefix: string;
  /** The subnets this device is in now. */
  links(): Link[];
  clock: Clock;
  log: Log;
};
/** A member as a peer, with the endpoints that its record names. */
export type MemberPeer = Omit<WantedPeer, "endpoint" | "insist"> & { endpoints: string[] };
/** For `net explain`: the endpoint in use, the others, and how each attempt ended. Times in ms since 1970. */
export type Explanation = {
  inUse?: { endpoint: string; since: number };
  isTrying?: string;
  isFailing: boolean;
  handshakeAt?: number;
  candidates: { endpoint: string; class: string; source: Source; heardAt: number; last?: Result }[];
};
export type Paths = {
  /** All members but ourselves: peers follow at once. */
  setMembers(members: MemberPeer[]): Promise<void>;
  /** The peer may answer at this endpoint, says a hello on the link, mDNS or a seed. Unusable ones are ignored. */
  offer(id: string, endpoint: string, source: Source): void;
  /** The cluster suspects a member: call it once, when that begins. */
  doubt(id: string): void;
  explain(id: string): Explanation | undefined;
  /** As read last, at most 5 s ago. */
  status(): PeerStatus[];
  stop(): void;
};

// The result of an attempt should not wait; a quiet mesh is looked at as rarely as a new path may wait.
const attemptPollMs = 250;
const failingPollMs = 1_000;
const quietPollMs = 5_000;

export function startPaths({ mesh, prefix, links, clock, log }: PathsOptions): Paths {
  let view: PathsView = new Map();
  let members: MemberPeer[] = [];
  let peers: PeerStatus[] = [];
  const chosen = new Map<string, { endpoint: string; insist: boolean }>();
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  let isPolling = false;

  const happen = (event: Event): Effect[] => {
    const [next, effects] = step(view, event, clock.monotonic());
    view = next;
    return effects;
  };
  const offer = (id: string, text: string, source: Source) => {
    // A device that is not a member costs no memory here.
    if (!members.some((member) => member.id === id)) return;
    const known = classify(text, links(), prefix);
    if (known) happen({ kind: "offered", id, ...known, source });
    else log.debug(`endpoint ${JSON.stringify(text)} of ${id} is unusable`);
  };
  const wanted = (): WantedPeer[] =>
    members.map(({ endpoints: _, ...member }) => ({ ...member, ...chosen.get(member.id) }));

  const choose = (effects: Effect[]) => {
    for (const { id, endpoint, how } of effects) chosen.set(id, { endpoint, insist: how === "insist" });
  };
  const perform = async (effects: Effect[]) => {
    if (effects.length === 0) return;
    choose(effects);
    const afresh = effects.filter(({ how }) => how === "afresh").map(({ id }) => id);
    await mesh.drop(members.filter(({ id }) => afresh.includes(id)).map(({ wireguardKey }) => wireguardKey));
    await mesh.setPeers(wanted());
  };
  const look = async () => {
    peers = await mesh.status();
    const byKey = new Map(peers.map((peer) => [peer.wireguardKey, peer]));
    const seen = members.flatMap(({ id, wireguardKey }) =>
      happen({ kind: "seen", id, status: byKey.get(wireguardKey), wallNow: clock.now() }),
    );
    await perform(seen);
  };
  const poll = async () => {
    clearTimeout(timer);
    if (isStopped || isPolling) return;
    isPolling = true;
    try {
      await look();
    } catch (error) {
      log.warn(`cannot read the state of the peers: ${describeError(error)}`);
    }
    isPolling = false;
    schedule();
  };
  const schedule = () => {
    if (isStopped || isPolling) return;
    const paths = [...view.values()];
    const isTrying = paths.some((path) => attemptOf(path) !== undefined);
    clearTimeout(timer);
    timer = setTimeout(poll, isTrying ? attemptPollMs : paths.some(isFailing) ? failingPollMs : quietPollMs);
  };
  schedule();

  return {
    async setMembers(next) {
      const newcomers = next.filter(({ id }) => !members.some((old) => old.id === id));
      for (const { id } of members.filter((old) => !next.some((member) => member.id === old.id))) {
        happen({ kind: "forgotten", id });
        chosen.delete(id);
      }
      members = next;
      for (const { id, endpoints } of members) for (const endpoint of endpoints) offer(id, endpoint, "record");
      // A newcomer starts with its best endpoint, in the same command that makes it a peer.
      choose(newcomers.flatMap(({ id }) => happen({ kind: "seen", id, status: undefined, wallNow: clock.now() })));
      await mesh.setPeers(wanted());
      schedule();
    },
    offer(id, endpoint, source) {
      offer(id, endpoint, source);
      schedule();
    },
    doubt(id) {
      if (members.some((member) => member.id === id)) happen({ kind: "doubted", id });
      schedule();
    },
    explain(id) {
      const path = view.get(id);
      if (!path) return undefined;
      const key = members.find((member) => member.id === id)?.wireguardKey;
      const handshakeAt = peers.find(({ wireguardKey }) => wireguardKey === key)?.latestHandshakeMs;
      const [now, wallNow] = [clock.monotonic(), clock.now()];
      const wall = (at: number) => Math.max(0, Math.round(wallNow - (now - at)));
      const attempt = attemptOf(path);
      return {
        ...(path.used && { inUse: { endpoint: path.used.endpoint, since: wall(path.used.since) } }),
        ...(attempt && { isTrying: attempt.endpoint }),
        isFailing: isFailing(path),
        ...(handshakeAt !== undefined && { handshakeAt }),
        candidates: path.candidates.map(({ last, ...candidate }) => ({
          ...candidate,
          heardAt: wall(candidate.heardAt),
          ...(last && { last: { ...last, at: wall(last.at) } }),
        })),
      };
    },
    status: () => peers,
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}
