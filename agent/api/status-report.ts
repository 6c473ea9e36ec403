// Joins the data on each member: its record, its liveness, its WireGuard peer, and its newest messages by MQTT.
// Pure.
import type { PeersPayload } from "../../ota/fleet/topics.ts";
import type { Liveness } from "../cluster/cluster.ts";
import type { Leases } from "../cluster/leases/leases.ts";
import type { AgentConfig } from "../config.ts";
import type { Identity } from "../identity.ts";
import { admittersOf } from "../membership/admissions.ts";
import type { Member } from "../membership/state.ts";
import type { Paths } from "../mesh/paths.ts";
import { tagsOf } from "../rollout/readings.ts";
import type { MemberStatus, Metrics, Status } from "./schema.ts";

type Peers = PeersPayload["peers"];
export type Known = {
  identity: Pick<Identity, "id" | "name" | "address" | "admissions"> & { token: { id: string; tags: string[] } };
  config: Pick<AgentConfig, "board" | "release">;
  members: readonly Member[];
  liveness: ReadonlyMap<string, Liveness>;
  paths: Pick<Paths, "status" | "explain">;
  /** The newest message of each device, by id. */
  metrics: ReadonlyMap<string, Metrics>;
  peers: ReadonlyMap<string, Peers>;
  /** Until when each member that restarts under a lease may be away, in ms since 1970. */
  updating: ReadonlyMap<string, number>;
  /** ms since 1970. */
  now: number;
};

/** This device first, then the others by name. */
export function memberStatuses(known: Known): MemberStatus[] {
  const { identity, config, metrics, peers, updating } = known;
  const { id, name, address, token, admissions } = identity;
  const { board, release } = config;
  const own = metrics.get(id);
  const others = reached(known).map((member): MemberStatus => {
    const heard = metrics.get(member.id);
    // The broker keeps the last report of a member that is gone.
    const said = member.state === "alive" ? peers.get(member.id) : undefined;
    const until = updating.get(member.id);
    return {
      ...member,
      ...(until !== undefined && { updatingUntil: until }),
      ...(heard && { metrics: heard }),
      ...(said && { peers: said }),
    };
  });
  const joined = { tokenId: token.id, tags: token.tags, admittedBy: admittersOf(admissions) };
  const self = { id, name, state: "alive", address, board, release, isSelf: true, ...joined } as const;
  return [{ ...self, ...(own && { metrics: own }), peers: peersOf(known) }, ...others];
}

/** How this device reaches each other member. */
export const peersOf = (known: Reach): Peers =>
  reached(known).map(({ id, path, handshakeAgeS, rttMs }) => {
    const kind = path?.candidates.find(({ endpoint }) => endpoint === path.inUse?.endpoint)?.class;
    return {
      id,
      ...(kind !== undefined && { path: kind }),
      ...(handshakeAgeS !== undefined && { handshakeAgeS: Math.round(handshakeAgeS) }),
      ...(rttMs !== undefined && { rttMs: Math.round(rttMs * 10) / 10 }),
    };
  });

export function leaseStatusOf(leases: Pick<Leases, "holder" | "voters">): NonNullable<Status["lease"]> {
  const held = leases.holder();
  return { ...(held && { holder: held.device, since: held.sinceMs }), voters: [...leases.voters()] };
}

export type Reach = Pick<Known, "members" | "liveness" | "paths" | "now">;
function reached({ members, liveness, paths, now }: Reach): MemberStatus[] {
  const peers = new Map(paths.status().map((peer) => [peer.wireguardKey, peer]));
  const statuses = members.map(({ record, name, address, wireguardKey, tokenId }): MemberStatus => {
    const { id, board, release } = record;
    const peer = peers.get(wireguardKey);
    const live = liveness.get(id);
    const path = paths.explain(id);
    return {
      // A member counts as alive only after it has signed that it is.
      ...{ id, name, state: live?.state ?? "suspect", address, board, release, isSelf: false },
      ...{ tokenId, tags: [...tagsOf(record.token)], admittedBy: admittersOf(record.admissions) },
      ...(peer?.endpoint && { endpoint: peer.endpoint }),
      ...(peer?.latestHandshakeMs && { handshakeAgeS: Math.max(0, (now - peer.latestHandshakeMs) / 1000) }),
      ...(peer && { rxBytes: peer.rxBytes, txBytes: peer.txBytes }),
      ...(live?.rttMs !== undefined && { rttMs: live.rttMs }),
      ...(path && { path }),
    };
  });
  return statuses.sort((a, b) => (a.name < b.name ? -1 : 1));
}
