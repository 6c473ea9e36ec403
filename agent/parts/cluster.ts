// The cluster as this device joins it: its members are those of membership, which hears of their liveness.
import { makeLog } from "../../system/log.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { livenessSigner } from "../cluster/proofs.ts";
import { recordKind, revocationKind } from "../membership/documents.ts";
import type { Membership } from "../membership/membership.ts";
import type { Scope } from "./scope.ts";

/** Throws `port.taken` or `cluster.failed`. */
export async function joinCluster(
  { config, identity, clock, ended }: Scope,
  membership: Membership,
  complain: (error: unknown) => void,
): Promise<Cluster> {
  const cluster = await startCluster({
    self: { id: identity.id, signLiveness: livenessSigner(identity.key.privateKey) },
    address: identity.address,
    port: config.cluster.port,
    members: () =>
      new Map(
        [...membership.members()].map(([id, { address, record }]) => [id, { address, deviceKey: record.deviceKey }]),
      ),
    documents: [recordKind(membership, identity), revocationKind(membership)],
    clock,
    log: makeLog("cluster"),
    onChange(liveness) {
      const states = new Map([...liveness].map(([member, { state }]) => [member, state]));
      membership.happen({ kind: "liveness", states }).catch(complain);
    },
  });
  ended.push(() => cluster.stop());
  return cluster;
}
