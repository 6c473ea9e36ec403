// What is known of each member, laid side by side: its record, its liveness, its WireGuard peer, its last metrics.
// Pure.
import type { Liveness } from "../cluster/cluster.ts";
import type { AgentConfig } from "../config.ts";
import type { Identity } from "../identity.ts";
import type { Member } from "../membership/state.ts";
import type { Paths } from "../mesh/paths.ts";
import type { MemberStatus, Metrics } from "./schema.ts";

export type Known = {
  identity: Pick<Identity, "id" | "name" | "address">;
  config: Pick<AgentConfig, "board" | "release">;
  members: readonly Member[];
  liveness: ReadonlyMap<string, Liveness>;
  paths: Pick<Paths, "status" | "explain">;
  metrics: ReadonlyMap<string, Metrics>;
  /** ms since 1970. */
  now: number;
};

/** This device first, then the others by name. */
export function memberStatuses({ identity, config, members, liveness, paths, metrics, now }: Known): MemberStatus[] {
  const { id, name, address } = identity;
  const { board, release } = config;
  const own = metrics.get(id);
  const self: MemberStatus = {
    id,
    name,
    state: "alive",
    address,
    board,
    release,
    isSelf: true,
    ...(own && { metrics: own }),
  };
  const others = members.map((member): MemberStatus => {
    const { record } = member;
    const peer = paths.status().find(({ wireguardKey }) => wireguardKey === record.wireguardKey);
    const live = liveness.get(record.id);
    const heard = metrics.get(record.id);
    const path = paths.explain(record.id);
    return {
      id: record.id,
      name: member.name,
      // Of whom nothing signed was heard yet nothing is known: not alive before it says so.
      state: live?.state ?? "suspect",
      address: member.address,
      board: record.board,
      release: record.release,
      isSelf: false,
      ...(peer?.endpoint && { endpoint: peer.endpoint }),
      ...(peer?.latestHandshakeMs && { handshakeAgeS: Math.max(0, (now - peer.latestHandshakeMs) / 1000) }),
      ...(peer && { rxBytes: peer.rxBytes, txBytes: peer.txBytes }),
      ...(live?.rttMs !== undefined && { rttMs: live.rttMs }),
      ...(path && { path }),
      ...(heard && { metrics: heard }),
    };
  });
  return [self, ...others.sort((a, b) => (a.name < b.name ? -1 : 1))];
}
