// The life of a device that has an identity: its parts, started in the order in which each protects the next, and wired together.
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { neighborhoodHint } from "../provisioning/trust/names.ts";
import { isLinkLocal } from "../system/address.ts";
import { type Clock, every } from "../system/clock.ts";
import { run } from "../system/command.ts";
import { describeError } from "../system/error.ts";
import { makeLog } from "../system/log.ts";
import type { Status } from "./api/status.ts";
import { memberStatuses } from "./api/status-report.ts";
import { type Liveness, startCluster } from "./cluster/cluster.ts";
import { livenessSigner } from "./cluster/proofs.ts";
import type { AgentConfig } from "./config.ts";
import { Acquaintances } from "./discovery/acquaintances.ts";
import { type Discovery, startDiscovery } from "./discovery/discovery.ts";
import { type ServePage, startDoorstep } from "./discovery/doorstep.ts";
import { startGreeter } from "./discovery/greeter.ts";
import { type LinkInterface, readLinks } from "./discovery/links.ts";
import { makeMeeting } from "./discovery/meeting.ts";
import type { Warnings } from "./health/warnings.ts";
import type { Identity } from "./identity.ts";
import { Roster } from "./membership/roster.ts";
import { raiseGuard, watchGuard } from "./mesh/guard.ts";
import { startMesh } from "./mesh/mesh.ts";
import { startNames } from "./mesh/names.ts";
import { startPaths } from "./mesh/paths.ts";
import { BrokerHost } from "./telemetry/broker-host.ts";
import { collectInventory } from "./telemetry/inventory.ts";
import { startTelemetry } from "./telemetry/publisher.ts";
import { makeSampler } from "./telemetry/sampler.ts";
import { kernelSysctls } from "./tuning/sysctls.ts";
import { startTuning } from "./tuning/tuning.ts";

export type MemberOptions = {
  config: AgentConfig;
  identity: Identity;
  clock: Clock;
  warnings: Warnings;
  page: ServePage;
};
export type MemberReport = Pick<Status, "phase" | "members" | "pending" | "neighbors" | "broker" | "tuning">;
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

  if (config.mesh.guard) {
    const privatePorts = [config.cluster.port, config.telemetry.port];
    const pagePort = config.link.pagePort || 80;
    const guard = {
      run,
      interface: config.mesh.interface,
      prefix,
      agentUid: process.getuid!(),
      privatePorts,
      pagePort,
    };
    await raiseGuard(guard);
    const guarding = watchGuard(guard, makeLog("guard"));
    ended.push(() => guarding.stop());
  }
  const mesh = await startMesh({
    interface: config.mesh.interface,
    privateKey: identity.wireguard.privateKey,
    listenPort: config.mesh.listenPort,
    address,
    prefix,
    mtu: config.mesh.mtu,
    run,
    clock,
    log: makeLog("mesh"),
    warnings,
    userspaceFallback: true,
  });
  ended.push(() => mesh.stop());

  const roster = new Roster({ identity, stateFolder: config.stateFolder, clock, log: makeLog("roster"), warnings });
  await roster.load();

  const links = () => readLinks(config.link.interfaces);
  const paths = startPaths({
    mesh,
    prefix,
    links: () =>
      links().flatMap((link) => link.addresses.map(({ address: at, bits }) => ({ address: at, prefixLength: bits }))),
    clock,
    log: makeLog("paths"),
  });
  ended.push(() => paths.stop());

  const others = () => [...roster.members().values()];
  const cluster = await startCluster({
    self: { id, signLiveness: livenessSigner(identity.key.privateKey) },
    address,
    port: config.cluster.port,
    members: () =>
      new Map(others().map(({ record, address: at }) => [record.id, { address: at, deviceKey: record.deviceKey }])),
    documents: roster,
    clock,
    log: makeLog("cluster"),
    onChange: watchLiveness(roster, warnings, (doubted) => paths.doubt(doubted)),
  });
  ended.push(() => cluster.stop());

  roster.isGone = (member) => ["dead", "left"].includes(cluster.liveness().get(member)?.state ?? "");
  const aliveIds = () => [...cluster.liveness()].filter(([, { state }]) => state === "alive").map(([member]) => member);
  roster.onChange = () => {
    roster.settleReplacements();
    // A record may tell of a replacement long after its forerunner was seen dead.
    for (const id of roster.replaced()) warnings.clear("member.dead", id);
    meeting.settleNames().catch(complain);
    cluster.membersChanged();
    memberAddresses.clear();
    // Mesh addresses, which nobody else can come from, and what their records say.
    for (const { address: at, record } of others()) {
      for (const known of [at, ...record.endpoints.map(hostOf)]) memberAddresses.add(known);
    }
    paths
      .setMembers(
        others().map(({ record, name, address: at }) => ({
          id: record.id,
          name,
          wireguardKey: record.wireguardKey,
          address: at,
          endpoints: record.endpoints,
          keepaliveSeconds: config.mesh.keepaliveSeconds,
        })),
      )
      .catch(complain);
  };
  const tellOwnRecord = () => {
    const own = roster.summaries().find((summary) => summary.id === id);
    if (own) cluster.publish(own);
  };
  let discovery: Discovery | undefined;
  const memberAddresses = new Set<string>();
  const acquaintances = new Acquaintances((at) => memberAddresses.has(at));
  const meeting = makeMeeting({
    identity,
    roster,
    warnings,
    onOwnChange() {
      tellOwnRecord();
      discovery?.rename(identity.name).catch(complain);
    },
    onMet(met, from) {
      // A hello came from there a moment ago; WireGuard listens beside it, on the port that the record names.
      const port = roster.members().get(met)?.record.endpoints[0]?.split(":").at(-1) ?? config.mesh.listenPort;
      paths.hear(met, endpointOf(from, port), "hello");
      discovery?.answered(from);
    },
  });
  const greeter = startGreeter({ log: makeLog("hello"), greet: ({ address: at, port }) => meeting.greet(at, port) });
  ended.push(() => greeter.stop());

  const endpoints = () => endpointsOf(links(), config.mesh.listenPort);
  await identity.setEndpoints(endpoints());
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
  discovery = await startDiscovery({
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
  const onLink = discovery;
  ended.push(() => onLink.stop());

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
    addressOf: (member) => roster.members().get(member)?.address,
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
    warnings: () => warnings.list(),
    standing: warnings,
    homeAssistant: config.telemetry.homeAssistant,
    log: makeLog("telemetry"),
    clock,
    intervalMs: config.telemetry.intervalSeconds * 1000,
  });
  ended.push(() => telemetry.stop());

  const tuning = await startTuning({
    profile: config.tuning.enabled ? "auto" : "off",
    journalPath: join(config.stateFolder, "tuning.json"),
    sysctls: kernelSysctls(),
    log: makeLog("tuning"),
    warnings,
  });
  ended.push(() => tuning.stop());

  const reconcile = async () => {
    await broker.keep();
    if (await identity.setEndpoints(endpoints())) {
      tellOwnRecord();
      greeter.again();
    }
  };
  const reconciling = every(reconcileMs, reconcile, complain);
  ended.push(() => reconciling.stop());
  roster.onChange();
  log.info(`${identity.name} (${id}) of ${identity.neighborhoodName}, ${address} on ${config.mesh.interface}`);

  return {
    isPending: meeting.isPending,
    rename: (name) => meeting.rename(name),
    leave() {
      telemetry.withdraw();
      return cluster.leave();
    },
    async report() {
      await telemetry.look();
      return {
        phase: meeting.isPending() ? "pending" : "member",
        members: memberStatuses({
          identity,
          config,
          members: others(),
          liveness: cluster.liveness(),
          paths,
          metrics: telemetry.latest(),
          now: clock.now(),
        }),
        pending: roster.pending().map(({ heardAt: _, ...pending }) => pending),
        neighbors: onLink.neighbors().map(({ id: neighbor, address: at, port, via }) => ({
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

/** Warns of the dead, and passes on who is doubted, once each time. */
function watchLiveness(roster: Roster, warnings: Warnings, onDoubt: (id: string) => void) {
  const before = new Map<string, Liveness["state"]>();
  return (liveness: ReadonlyMap<string, Liveness>) => {
    for (const gone of before.keys()) {
      if (liveness.has(gone)) continue;
      before.delete(gone);
      warnings.clear("member.dead", gone);
    }
    const replaced = roster.replaced();
    for (const [member, { state }] of liveness) {
      const name = roster.members().get(member)?.name;
      if (state === "dead" && name && !replaced.includes(member)) {
        const hint = `look at its power and cable; hamlet net explain ${name} tells what was tried`;
        warnings.raise("member.dead", `${name} does not answer any more`, hint, member);
      } else warnings.clear("member.dead", member);
      if (state === "suspect" && before.get(member) === "alive") onDoubt(member);
      before.set(member, state);
    }
    roster.settleReplacements();
  };
}

const endpointOf = (address: string, port: number | string): string =>
  isIPv6(address.split("%")[0]!) ? `[${address}]:${port}` : `${address}:${port}`;

const hostOf = (endpoint: string): string => endpoint.slice(0, endpoint.lastIndexOf(":")).replaceAll(/[[\]]/g, "");

/** What others may try: addresses that mean the same on their side, so none that need a scope. */
function endpointsOf(found: readonly LinkInterface[], port: number): string[] {
  const addresses = found.flatMap((link) => link.addresses.map(({ address }) => address));
  return addresses.filter((address) => !isLinkLocal(address)).map((address) => endpointOf(address, port));
}
