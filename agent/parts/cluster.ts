// The cluster as this device joins it: its members are those of membership, which hears of their liveness. Leases share its port.
import { every, sinceBootMs } from "../../system/clock.ts";
import { makeLog } from "../../system/log.ts";
import { type Cluster, type Liveness, type Service, startCluster } from "../cluster/cluster.ts";
import { type LeaseOffice, startLeases } from "../cluster/leases/leases.ts";
import { LeaseStore } from "../cluster/leases/store.ts";
import { livenessSigner } from "../cluster/proofs.ts";
import { warnOfDamage } from "../health/damage.ts";
import { recordKind } from "../membership/documents.ts";
import type { Membership } from "../membership/membership.ts";
import { makeOrders, type TakeOrders } from "../membership/orders.ts";
import { adoptionKind, rejectionKind, revocationKind } from "../membership/root-orders.ts";
import { lookMs, makeTelling } from "../membership/telling.ts";
import { operatorOrderKinds } from "../orders/kinds.ts";
import type { Orders } from "../orders/orders.ts";
import { comeBack as sayBack } from "../orders/own-comeback.ts";
import type { Results } from "../rollout/results.ts";
import type { Scope } from "./scope.ts";

export type Joined = {
  cluster: Cluster;
  leases: LeaseOffice;
  order: TakeOrders;
  /** Tells membership again who is alive: what `isUpdating` says has changed. */
  tellLiveness(): void;
};

/** The cluster, its leases, and what takes in the owner's orders for it. Throws `port.taken` or `cluster.failed`. */
export async function joinCluster(
  { config, identity, clock, warnings, ended }: Scope,
  {
    membership,
    orders,
    results,
    isUpdating,
    services,
  }: {
    membership: Membership;
    orders: Orders;
    results: Results;
    isUpdating(id: string): boolean;
    services: ReadonlyMap<string, Service>;
  },
  complain: (error: unknown) => void,
): Promise<Joined> {
  // Who is out goes before who is in, and who may order before what is ordered.
  const orderKinds = [
    revocationKind(membership),
    rejectionKind(membership),
    adoptionKind(membership),
    ...operatorOrderKinds(orders),
  ];
  const tell = (liveness: ReadonlyMap<string, Liveness>) => {
    // A device that restarts under a lease is away, but nobody has to look for it.
    const told = ([id, { state }]: [string, Liveness]): [string, Liveness["state"]] => [
      id,
      state === "dead" && isUpdating(id) ? "suspect" : state,
    ];
    membership.happen({ kind: "liveness", states: new Map([...liveness].map(told)) }).catch(complain);
  };
  let cluster: Cluster | undefined;
  const comeBack = () => {
    if (!cluster) return;
    const { publish } = cluster;
    const log = makeLog("orders");
    sayBack({ identity, orders, voters: leases.voters, ended: gone, publish, log }).catch(complain);
  };
  const send = (to: string, text: string) => cluster?.send(to, text);
  const leases = await startLeases({
    self: identity.id,
    store: new LeaseStore(config.stateFolder, identity.id),
    clock,
    sinceBootMs,
    log: makeLog("leases"),
    send,
    members: () => membership.members().keys(),
    onListed: () => comeBack(),
    onDamage: (damage) => warnOfDamage(warnings, damage),
  });
  const gone = () => [...membership.revocations().devices, ...orders.forgotten()];
  const ordersChanged = () => {
    leases.ended(gone());
    comeBack();
  };
  leases.ended(gone());
  ended.push(orders.onChange(ordersChanged), () => leases.stop());
  const aliveOthers = () =>
    [...(cluster?.liveness() ?? [])].flatMap(([id, { state }]) =>
      state === "alive" && id !== identity.id ? [id] : [],
    );
  const telling = makeTelling({ membership, alive: aliveOthers, send, monotonic: clock.monotonic });
  const looking = every(lookMs, telling.look, complain, 0.2);
  ended.push(() => looking.stop());
  const joined = await startCluster({
    self: { id: identity.id, signLiveness: livenessSigner(identity.key.privateKey) },
    address: identity.address,
    port: config.cluster.port,
    members: () =>
      new Map(
        [...membership.members()].map(([id, { address, record }]) => [id, { address, deviceKey: record.deviceKey }]),
      ),
    documents: [recordKind(membership, identity), ...orderKinds, results.kind],
    clock,
    log: makeLog("cluster"),
    onChange(liveness) {
      const states = new Map([...liveness].map(([member, { state }]) => [member, state]));
      leases.livenessChanged(states);
      tell(liveness);
    },
    onOther(from, bytes) {
      leases.hear(from, bytes);
      telling.hear(from, bytes).catch(complain);
    },
    services,
  });
  cluster = joined;
  comeBack();
  ended.push(() => joined.stop());
  return {
    ...{ cluster, leases, order: makeOrders(orderKinds, joined.publish) },
    tellLiveness: () => tell(joined.liveness()),
  };
}
