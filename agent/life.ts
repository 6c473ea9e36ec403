// The life of a device that has an identity: its parts start in the order in which each protects the next, and one loop hands them what
// membership wants done.
import { join } from "node:path";
import { agentFilesIn } from "../provisioning/handover/agent-files.ts";
import { boardIdentityOf } from "../provisioning/handover/board.ts";
import { yieldIdentity } from "../provisioning/handover/identity.ts";
import type { Evidence, EvidenceRequest } from "../provisioning/handover/update.ts";
import { every } from "../system/clock.ts";
import { run } from "../system/command.ts";
import { describeError } from "../system/error.ts";
import { makeLog } from "../system/log.ts";
import { ordersStatusOf } from "./api/orders.ts";
import type { Status } from "./api/schema.ts";
import { leaseStatusOf, memberStatuses, peersOf } from "./api/status-report.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { LeaseOffice } from "./cluster/leases/leases.ts";
import { readLinks } from "./discovery/links.ts";
import { endpointOf, endpointsOf, hostOf } from "./discovery/own-endpoints.ts";
import { Journal } from "./kernel/journal.ts";
import { openKernel } from "./kernel/kernel.ts";
import { Membership } from "./membership/membership.ts";
import type { TakeOrders } from "./membership/orders.ts";
import type { Member, Task } from "./membership/state.ts";
import type { Paths } from "./mesh/paths.ts";
import { Orders } from "./orders/orders.ts";
import { joinCluster } from "./parts/cluster.ts";
import { type Link, meetNeighbors } from "./parts/link.ts";
import { startReports, tune } from "./parts/reports.ts";
import { openResults, startRollouts } from "./parts/rollouts.ts";
import type { MemberOptions, Scope } from "./parts/scope.ts";
import { joinSwarm } from "./parts/swarm.ts";
import { serveNames, startGuard, startTunnel } from "./parts/tunnel.ts";
import { makeWitnessing } from "./parts/witness.ts";
import type { Rollouts } from "./rollout/rollouts.ts";

export type MemberReport = Pick<
  Status,
  "members" | "pending" | "neighbors" | "broker" | "lease" | "tuning" | "orders" | "rollout"
>;
export type MemberLife = {
  isPending(): boolean;
  /** Devices that wait for the owner's word. */
  waiting(): Status["pending"];
  report(): Promise<MemberReport>;
  /** For the verdict on a new release. */
  evidence(request: EvidenceRequest): Promise<Omit<Evidence, "phase" | "hasPage" | "hasMesh">>;
  /** For good. Throws `name.taken` or `file.full`. */
  rename(name: string): Promise<void>;
  /** Takes in what the root or an operator has signed. Throws `document.refused`. */
  order: TakeOrders;
  /** Says goodbye to the others; stop afterwards. */
  leave(): Promise<void>;
  stop(): Promise<void>;
};

const reconcileMs = 1_000;

const log = makeLog("agent");
const complain = (error: unknown) => log.warn(describeError(error));

/**
 * Throws `guard.failed`, `mesh.failed`, `port.taken` or `cluster.failed`: without these parts there is no safe way to go on.
 * Stops the parts that have started until then.
 */
export async function startMember(options: MemberOptions): Promise<MemberLife> {
  const ended: (() => unknown)[] = [];
  const stop = async () => {
    for (const end of ended.splice(0).reverse()) await Promise.resolve(end()).catch(complain);
  };
  try {
    return { ...(await compose({ ...options, ended })), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function compose(scope: Scope): Promise<Omit<MemberLife, "stop">> {
  const { config, identity, clock, warnings, ended } = scope;
  const endpoints = () => endpointsOf(readLinks(config.link.interfaces), config.mesh.listenPort);
  const kernel = openKernel(run);
  const journal = await Journal.open(join(config.stateFolder, "kernel.json"), kernel, warnings, makeLog("kernel"));
  if (config.mesh.guard) await startGuard(scope, journal);
  else await journal.release("firewall");
  const paths = await startTunnel(scope, journal);
  const membership = await Membership.open({
    identity,
    stateFolder: config.stateFolder,
    clock,
    log: makeLog("membership"),
    warnings,
    endpoints: endpoints(),
  });
  const orders = await Orders.open({
    neighborhood: identity.neighborhood,
    stateFolder: config.stateFolder,
    revocations: () => membership.revocations(),
    clock,
    log: makeLog("orders"),
    warnings,
  });
  const { results, ...known } = await openResults(scope, membership);
  let [rollouts, reached]: [Rollouts?, Cluster?] = [];
  const isUpdating = (member: string) => rollouts?.updating().has(member) ?? false;
  const witnessing = makeWitnessing(scope, { membership, paths, cluster: () => reached });
  const { services } = witnessing;
  const joined = await joinCluster(scope, { membership, orders, results, isUpdating, services }, complain);
  const { cluster, leases, order } = joined;
  reached = cluster;
  rollouts = startRollouts(scope, { ...joined, membership, orders, results, ...known });
  const alive = () => [...cluster.liveness()].filter(([, { state }]) => state === "alive").map(([id]) => id);
  const isCommonName = () => alive().every((other) => identity.id <= other);
  const memberAddresses = new Set<string>();
  const isMemberAt = (address: string) => memberAddresses.has(address);
  const link = await meetNeighbors(scope, { membership, order, isCommonName, isMemberAt });
  const parts = { ...link, membership, orders, cluster, leases, paths, memberAddresses };
  const performing = performAll(scope, parts);
  ended.push(async () => {
    await membership.stop();
    await performing;
  });
  if (config.mesh.dnsPort) await serveNames(scope, membership);
  const members = () => [...membership.members().values()];
  const reach = () => ({ members: members(), liveness: cluster.liveness(), paths, now: clock.now() });
  const rollout = () => rollouts.status();
  const waiting = () => membership.pending().map(({ since: _, tokenId: __, ...pending }) => pending);
  const { broker, telemetry } = startReports(scope, { membership, alive, peers: () => peersOf(reach()), rollout });
  await joinSwarm(scope, { membership, alive });
  const tuning = await tune(scope, journal, kernel);
  const reconcile = async () => {
    await broker.keep();
    await membership.setEndpoints(endpoints());
  };
  const reconciling = every(reconcileMs, reconcile, complain);
  ended.push(() => reconciling.stop());
  const { id, name, address, neighborhoodName } = identity;
  log.info(`${name} (${id}) of ${neighborhoodName}, ${address} on ${config.mesh.interface}`);

  return {
    isPending: () => membership.isWaiting(),
    waiting,
    rename: (to) => membership.rename(to),
    order,
    leave() {
      telemetry.withdraw();
      return cluster.leave();
    },
    async evidence({ witness }) {
      const shaken = new Set(paths.status().flatMap((peer) => (peer.latestHandshakeMs ? [peer.wireguardKey] : [])));
      return {
        // WireGuard's interface is as old as this boot at most, so every handshake that it knows is.
        handshakes: members().flatMap(({ record, wireguardKey }) => (shaken.has(wireguardKey) ? [record.id] : [])),
        alive: alive().filter((other) => other !== id),
        telemetry: broker.address() === undefined ? "none" : telemetry.isConnected() ? "up" : "down",
        ...(await witnessing.collect(witness)),
      };
    },
    async report() {
      await telemetry.look();
      const said = { metrics: telemetry.latest(), peers: telemetry.peers(), updating: rollouts.updating() };
      const standing = rollout();
      return {
        members: memberStatuses({ identity, config, ...reach(), ...said }),
        pending: waiting(),
        neighbors: link.discovery.neighbors().map(({ name: _, epoch: __, wireguardKey: ___, ...neighbor }) => neighbor),
        broker: broker.id(),
        lease: leaseStatusOf(leases),
        tuning: tuning.applied(),
        orders: ordersStatusOf(orders),
        ...(standing && { rollout: standing }),
      };
    },
  };
}

type Parts = Link & {
  membership: Membership;
  orders: Orders;
  cluster: Cluster;
  leases: LeaseOffice;
  paths: Paths;
  /** Mesh addresses, which no other device can use, and the addresses in members' records. */
  memberAddresses: Set<string>;
};

/** Ends when membership stops. */
async function performAll(scope: Scope, parts: Parts): Promise<void> {
  for await (const task of parts.membership.tasks) perform(scope, parts, task).catch(complain);
}

async function perform({ config, identity }: Scope, parts: Parts, task: Task): Promise<void> {
  const { membership, cluster, leases, paths, greeter, discovery, memberAddresses } = parts;
  switch (task.kind) {
    case "members": {
      const members = [...membership.members().values()];
      cluster.membersChanged();
      // A revocation comes as a change of members too, of an operator's key as well.
      parts.orders.changed();
      leases.membersChanged();
      memberAddresses.clear();
      for (const { address, record } of members) {
        for (const at of [address, ...record.endpoints.map(hostOf)]) memberAddresses.add(at);
      }
      return paths.setMembers(members.map((member) => peerOf(member, config.mesh.keepaliveSeconds)));
    }
    case "publish":
      cluster.publish("record", identity.id);
      return discovery.rename(identity.name);
    case "greetAll":
      return greeter.again();
    case "welcome":
      return greeter.welcome(task.id);
    case "met": {
      // A hello just came from there; WireGuard listens at the same address, on the port that the record names.
      const port = membership.members().get(task.id)?.record.endpoints[0]?.split(":").at(-1) ?? config.mesh.listenPort;
      paths.offer(task.id, endpointOf(task.from, port), "hello");
      return discovery.answered(task.from);
    }
    case "doubt":
      return paths.doubt(task.id);
    case "yield": {
      const { board } = identity;
      await yieldIdentity(agentFilesIn(config.stateFolder), (key) => board && boardIdentityOf(board, key));
      log.warn("this device is a copy of another: it has a new identity from now on, and waits for adoption");
      // systemd starts it again, as who it is now.
      return void process.kill(process.pid, "SIGTERM");
    }
  }
}

const peerOf = ({ record, name, address, wireguardKey }: Member, keepaliveSeconds: number) => ({
  id: record.id,
  name,
  wireguardKey,
  address,
  endpoints: record.endpoints,
  keepaliveSeconds,
});
