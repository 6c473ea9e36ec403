// The life of a device that has an identity: its parts, started in the order in which each protects the next, and wired together.
import { join } from "node:path";
import { neighborhoodHint } from "../provisioning/trust/names.ts";
import { type Clock, every } from "../system/clock.ts";
import { run } from "../system/command.ts";
import { describeError } from "../system/error.ts";
import { makeLog } from "../system/log.ts";
import type { Status } from "./api/schema.ts";
import { memberStatuses } from "./api/status-report.ts";
import { startCluster } from "./cluster/cluster.ts";
import { livenessSigner } from "./cluster/proofs.ts";
import type { AgentConfig } from "./config.ts";
import { Acquaintances } from "./discovery/acquaintances.ts";
import { startDiscovery } from "./discovery/discovery.ts";
import { type ServePage, startDoorstep } from "./discovery/doorstep.ts";
import { startGreeter } from "./discovery/greeter.ts";
import { readLinks } from "./discovery/links.ts";
import { makeMeeting } from "./discovery/meeting.ts";
import { endpointOf, endpointsOf, hostOf } from "./discovery/own-endpoints.ts";
import type { Warnings } from "./health/warnings.ts";
import type { Identity } from "./identity.ts";
import { Journal } from "./kernel/journal.ts";
import { openKernel } from "./kernel/kernel.ts";
import { recordKind, revocationKind } from "./membership/documents.ts";
import { Membership } from "./membership/membership.ts";
import type { Member, Task } from "./membership/state.ts";
import { startFirewall } from "./mesh/firewall.ts";
import { guardPart } from "./mesh/guard.ts";
import { startMesh } from "./mesh/mesh.ts";
import { startNames } from "./mesh/names.ts";
import { startPaths } from "./mesh/paths.ts";
import { BrokerHost } from "./telemetry/broker-host.ts";
import { collectInventory } from "./telemetry/inventory.ts";
import { startTelemetry } from "./telemetry/publisher.ts";
import { makeSampler } from "./telemetry/sampler.ts";
import { startTuning } from "./tuning/tuning.ts";

export type MemberOptions = {
  config: AgentConfig;
  identity: Identity;
  clock: Clock;
  warnings: Warnings;
  page: ServePage;
};
export type MemberReport = Pick<Status, "members" | "pending" | "neighbors" | "broker" | "tuning">;
export type MemberLife = {
  isPending(): boolean;
  report(): Promise<MemberReport>;
  /** For good. Throws `name.taken` or `file.full`. */
  rename(name: string): Promise<void>;
  /** Says goodbye to the others; stop afterwards. */
  leave(): Promise<void>;
  stop(): Promise<void>;
};

const reconcileMs = 1_000;
/** How long a device looks for others before it hosts a broker for itself alone: two that meet need one. */
const lookMs = 10_000;

const log = makeLog("agent");
const complain = (error: unknown) => log.warn(describeError(error));

/**
 * Throws `guard.failed`, `mesh.failed`, `port.taken` or `cluster.failed`: without these parts there is no safe way to go on.
 * What was started until then is ended again.
 */
export async function startMember(options: MemberOptions): Promise<MemberLife> {
  const ended: (() => unknown)[] = [];
  const stop = async () => {
    for (const end of ended.splice(0).reverse()) await Promise.resolve(end()).catch(complain);
  };
  try {
    return { ...(await compose(options, ended)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function compose(
  { config, identity, clock, warnings, page }: MemberOptions,
  ended: (() => unknown)[],
): Promise<Omit<MemberLife, "stop">> {
  const { address, prefix, id } = identity;
  const startedMs = clock.monotonic();

  const kernel = openKernel(run);
  const journal = await Journal.open(join(config.stateFolder, "kernel.json"), kernel, warnings);
  if (config.mesh.guard) {
    const privatePorts = [config.cluster.port, config.telemetry.port];
    const pagePort = config.link.pagePort || 80;
    const agentUid = process.getuid!();
    const guard = guardPart({ interface: config.mesh.interface, prefix, agentUid, privatePorts, pagePort });
    const firewall = await startFirewall({ run, log: makeLog("firewall"), journal }, [guard]);
    ended.push(() => firewall.stop());
  } else await journal.release("firewall");
  const mesh = await startMesh({
    interface: config.mesh.interface,
    privateKey: identity.wireguard.privateKey,
    listenPort: config.mesh.listenPort,
    address,
    prefix,
    mtu: config.mesh.mtu,
    run,
    journal,
    clock,
    log: makeLog("mesh"),
    warnings,
    userspaceFallback: true,
  });
  ended.push(() => mesh.stop());

  const links = () => readLinks(config.link.interfaces);
  const endpoints = () => endpointsOf(links(), config.mesh.listenPort);
  const membership = await Membership.open({
    identity,
    stateFolder: config.stateFolder,
    clock,
    log: makeLog("membership"),
    warnings,
    endpoints: endpoints(),
  });

  const paths = startPaths({
    mesh,
    prefix,
    links: () =>
      links().flatMap((link) => link.addresses.map(({ address: at, bits }) => ({ address: at, prefixLength: bits }))),
    clock,
    log: makeLog("paths"),
  });
  ended.push(() => paths.stop());

  const others = () => [...membership.members().values()];
  const cluster = await startCluster({
    self: { id, signLiveness: livenessSigner(identity.key.privateKey) },
    address,
    port: config.cluster.port,
    members: () =>
      new Map(others().map(({ record, address: at }) => [record.id, { address: at, deviceKey: record.deviceKey }])),
    documents: [recordKind(membership, identity), revocationKind(membership)],
    clock,
    log: makeLog("cluster"),
    onChange(liveness) {
      const states = new Map([...liveness].map(([member, { state }]) => [member, state]));
      membership.happen({ kind: "liveness", states }).catch(complain);
    },
  });
  ended.push(() => cluster.stop());

  const aliveIds = () => [...cluster.liveness()].filter(([, { state }]) => state === "alive").map(([member]) => member);
  /** Mesh addresses, which nobody else can come from, and those that members' records name. */
  const memberAddresses = new Set<string>();
  const acquaintances = new Acquaintances((at) => memberAddresses.has(at));
  const meeting = makeMeeting({ identity, membership });
  const greeter = startGreeter({ log: makeLog("hello"), greet: ({ address: at, port }) => meeting.greet(at, port) });
  ended.push(() => greeter.stop());

  const doorstep = await startDoorstep({
    ports: [config.link.helloPort, ...(config.link.pagePort ? [config.link.pagePort] : [])],
    onHello: meeting.answer,
    page,
    acquaintances,
    log: makeLog("doorstep"),
    warnings,
  });
  ended.push(() => doorstep.stop());

  // Last: from here on others know where to knock.
  const discovery = await startDiscovery({
    self: {
      id,
      name: identity.name,
      hint: neighborhoodHint(identity.neighborhood.id),
      helloPort: config.link.helloPort,
    },
    seeds: [...config.seeds, ...(identity.provision.seeds ?? [])],
    interfaces: config.link.interfaces,
    acquaintances,
    log: makeLog("discovery"),
    warnings,
    onNeighbor: (neighbor) => greeter.hint(neighbor),
    answersForAll: () => aliveIds().every((other) => id <= other),
  });
  ended.push(() => discovery.stop());

  const perform = async (task: Task) => {
    switch (task.kind) {
      case "members":
        cluster.membersChanged();
        memberAddresses.clear();
        for (const { address: at, record } of others()) {
          for (const known of [at, ...record.endpoints.map(hostOf)]) memberAddresses.add(known);
        }
        return paths.setMembers(others().map((member) => peerOf(member, config.mesh.keepaliveSeconds)));
      case "publish":
        cluster.publish("record", id);
        return discovery.rename(identity.name);
      case "greetAll":
        return greeter.again();
      case "met": {
        // A hello came from there a moment ago; WireGuard listens beside it, on the port that the record names.
        const port =
          membership.members().get(task.id)?.record.endpoints[0]?.split(":").at(-1) ?? config.mesh.listenPort;
        paths.offer(task.id, endpointOf(task.from, port), "hello");
        return discovery.answered(task.from);
      }
      case "doubt":
        return paths.doubt(task.id);
    }
  };
  const performing = (async () => {
    for await (const task of membership.tasks) perform(task).catch(complain);
  })();
  ended.push(async () => {
    await membership.stop();
    await performing;
  });

  if (config.mesh.dnsPort) {
    const lookup = (name: string) =>
      name === identity.name ? address : others().find((member) => member.name === name)?.address;
    try {
      const names = await startNames({ port: config.mesh.dnsPort, lookup, log: makeLog("names") });
      ended.push(() => names.stop());
    } catch (error) {
      warnings.raise(
        "names.unavailable",
        describeError(error),
        "free the port or set mesh.dnsPort; the mesh works without names",
      );
    }
  }

  const broker = new BrokerHost({
    self: { id, neighborhood: identity.neighborhood.id, address },
    port: config.telemetry.port,
    external: config.telemetry.broker,
    alive: aliveIds,
    hasLooked: () => clock.monotonic() - startedMs >= lookMs,
    addressOf: (member) => membership.members().get(member)?.address,
    idOf: (source) => others().find((member) => member.address === source)?.record.id,
    log: makeLog("broker"),
    warnings,
  });
  ended.push(() => broker.stop());

  const sampler = makeSampler({ clock, dataFolder: config.stateFolder, meshInterface: config.mesh.interface });
  const telemetry = startTelemetry({
    self: {
      id,
      neighborhood: identity.neighborhood.id,
      name: () => identity.name,
      board: config.board,
      release: config.release,
      address,
    },
    brokerAddress: () => broker.address(),
    port: config.telemetry.port,
    sample: () => sampler.sample(),
    inventory: () => collectInventory(run),
    warnings,
    homeAssistant: config.telemetry.homeAssistant,
    log: makeLog("telemetry"),
    clock,
    intervalMs: config.telemetry.intervalSeconds * 1000,
  });
  ended.push(() => telemetry.stop());

  const tuning = await startTuning({
    profile: config.tuning.enabled ? "auto" : "off",
    journal,
    sysctls: kernel.sysctls,
    log: makeLog("tuning"),
    warnings,
  });
  ended.push(() => tuning.stop());

  const reconcile = async () => {
    await broker.keep();
    await membership.setEndpoints(endpoints());
  };
  const reconciling = every(reconcileMs, reconcile, complain);
  ended.push(() => reconciling.stop());
  log.info(`${identity.name} (${id}) of ${identity.neighborhoodName}, ${address} on ${config.mesh.interface}`);

  return {
    isPending: () => membership.isWaiting(),
    rename: (name) => membership.rename(name),
    leave() {
      telemetry.withdraw();
      return cluster.leave();
    },
    async report() {
      await telemetry.look();
      return {
        members: memberStatuses({
          identity,
          config,
          members: others(),
          liveness: cluster.liveness(),
          paths,
          metrics: telemetry.latest(),
          now: clock.now(),
        }),
        pending: membership.pending().map(({ since: _, ...pending }) => pending),
        neighbors: discovery.neighbors().map(({ id: neighbor, address: at, port, via }) => ({
          ...(neighbor && { id: neighbor }),
          address: at,
          port,
          via,
        })),
        broker: broker.id(),
        tuning: tuning.applied(),
      };
    },
  };
}

const peerOf = ({ record, name, address }: Member, keepaliveSeconds: number) => ({
  id: record.id,
  name,
  wireguardKey: record.wireguardKey,
  address,
  endpoints: record.endpoints,
  keepaliveSeconds,
});
