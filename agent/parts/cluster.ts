// The cluster as this device joins it: its members are those of membership, which hears of their liveness.
import { makeLog } from "../../system/log.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { livenessSigner } from "../cluster/proofs.ts";
import { recordKind } from "../membership/documents.ts";
import type { Membership } from "../membership/membership.ts";
import { makeOrders, type TakeOrders } from "../membership/orders.ts";
import { adoptionKind, revocationKind } from "../membership/root-orders.ts";
import { operatorOrderKinds } from "../orders/kinds.ts";
import type { Orders } from "../orders/orders.ts";
import type { Scope } from "./scope.ts";

/** The cluster, and what takes in the owner's orders for it. Throws `port.taken` or `cluster.failed`. */
export async function joinCluster(
  { config, identity, clock, ended }: Scope,
  { membership, orders }: { membership: Membership; orders: Orders },
  complain: (error: unknown) => void,
): Promise<{ cluster: Cluster; order: TakeOrders }> {
  // Who is out goes before who is in, and who may order before what is ordered.
  const orderKinds = [revocationKind(membership), adoptionKind(membership), ...operatorOrderKinds(orders)];
  const cluster = await startCluster({
    self: { id: identity.id, signLiveness: livenessSigner(identity.key.privateKey) },
    address: identity.address,
    port: config.cluster.port,
    members: () =>
      new Map(
        [...membership.members()].map(([id, { address, record }]) => [id, { address, deviceKey: record.deviceKey }]),
      ),
    documents: [recordKind(membership, identity), ...orderKinds],
    clock,
    log: makeLog("cluster"),
    onChange(liveness) {
      const states = new Map([...liveness].map(([member, { state }]) => [member, state]));
      membership.happen({ kind: "liveness", states }).catch(complain);
    },
  });
  ended.push(() => cluster.stop());
  return { cluster, order: makeOrders(orderKinds, cluster.publish) };
}
