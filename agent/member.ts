// The life of a device that has an identity: its parts, started in the order in which each protects the next, and wired together.
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { type Broker, startBroker } from "../ota/fleet/broker.ts";
import { neighborhoodHint } from "../provisioning/names.ts";
import { type Clock, every } from "../system/clock.ts";
import { run } from "../system/command.ts";
import { describeError, HamletError } from "../system/error.ts";
import { makeLog } from "../system/log.ts";
import { type Cluster, startCluster } from "./cluster/cluster.ts";
import { livenessSigner } from "./cluster/proofs.ts";
import { Roster } from "./cluster/roster.ts";
import type { AgentConfig } from "./config.ts";
import { type Discovery, startDiscovery } from "./discovery/discovery.ts";
import { type ServePage, startDoorstep } from "./discovery/doorstep.ts";
import { startGreeter } from "./discovery/greeter.ts";
import { type Hello, sayHello } from "./discovery/hello.ts";
import { isLinkLocal, type LinkInterface, readLinks } from "./discovery/links.ts";
import type { Warnings } from "./health/warnings.ts";
import type { Identity } from "./identity.ts";
import { raiseGuard } from "./mesh/guard.ts";
import { startMesh } from "./mesh/mesh.ts";
import { startNames } from "./mesh/names.ts";
import type { PeerStatus } from "./mesh/status.ts";
import type { Status } from "./status.ts";
import { memberStatuses } from "./status-report.ts";
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
export type MemberLife = { report(): Promise<MemberReport>; stop(): Promise<void> };

const reconcileMs = 1_000;

/** Throws `guard.failed`, `mesh.failed`, `port.taken` or `cluster.failed`: without these parts there is no safe way to go on. */
export async function startMember({ config, identity, clock, warnings, page }: MemberOptions): Promise<MemberLife> {
  const log = makeLog("agent");
  const { address, prefix, id } = identity;
  const ended: (() => Promise<unknown> | undefined)[] = [];
  const complain = (error: unknown) => log.warn(describeError(error));

  if (config.mesh.guard) {
    const privatePorts = [config.cluster.port, config.telemetry.port];
    const pagePort = config.link.pagePort || 80;
    await raiseGuard({
      run,
      interface: config.mesh.interface,
      prefix,
      agentUid: process.getuid!(),
      privatePorts,
      pagePort,
    });
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

  const cluster: Cluster = await startCluster({
    self: { id, signLiveness: livenessSigner(identity.key.privateKey) },
    address,
    port: config.cluster.port,
    members: () =>
      new Map([...roster.members()].map(([key, m]) => [key, { address: m.address, deviceKey: m.record.deviceKey }])),
    documents: roster,
    clock,
    log: makeLog("cluster"),
    onChange: (liveness) => {
      for (const [member, { state }] of liveness) {
        const name = roster.members().get(member)?.name;
        if (state === "dead" && name) {
          const hint = `look at its power and cable; hamlet net explain ${name} tells what was tried`;
          warnings.raise("member.dead", `${name} does not answer any more`, hint, member);
        } else warnings.clear("member.dead", member);
      }
    },
  });
  ended.push(() => cluster.stop());

  // Where a member was seen beats what its record says: hello came from there a moment ago.
  const seenAt = new Map<string, string>();
  const wireguardPort = (endpoints: readonly string[]) =>
    Number(endpoints[0]?.split(":").at(-1) ?? config.mesh.listenPort);
  const setPeers = () =>
    mesh.setPeers(
      [...roster.members().values()].map(({ record, name, address }) => {
        const seen = seenAt.get(record.id);
        const endpoint = seen ? endpointOf(seen, wireguardPort(record.endpoints)) : record.endpoints[0];
        return {
          id: record.id,
          name,
          wireguardKey: record.wireguardKey,
          address,
          endpoint,
          keepaliveSeconds: config.mesh.keepaliveSeconds,
        };
      }),
    );
  roster.onChange = () => {
    cluster.membersChanged();
    setPeers().catch(complain);
  };
  const publishSelf = () => {
    const own = roster.summaries().find((summary) => summary.id === id);
    if (own) cluster.publish(own);
  };

  let discovery: Discovery | undefined;
  let refusedAsPending = false;
  const ownHello = (): Hello => ({ record: identity.jws, revocations: roster.revocationsAfter(0) });
  /** Takes a neighbor's hello in and answers with an admission if it earned one. */
  const meet = async (hello: Hello, from: string): Promise<string[]> => {
    await roster.hearRevocations(hello.revocations);
    for (const admission of hello.documents ?? []) {
      if (await identity.addAdmission(admission)) publishSelf();
    }
    const heard = await roster.hear(hello.record);
    switch (heard.verdict) {
      case "refused":
        throw new HamletError("hello.refused", `this record is refused here: ${heard.because}`);
      case "pending":
        throw new HamletError("hello.pending", `waiting for adoption: ${heard.because}`);
      case "self":
        throw new HamletError("hello.refused", "this is my own record");
      case "member": {
        refusedAsPending = false;
        await yieldName(heard.member.record.name, heard.member.record.admissions, heard.member.record.id);
        const moved = seenAt.get(heard.member.record.id) !== from;
        seenAt.set(heard.member.record.id, from);
        if (moved) await setPeers();
        discovery?.answered(from);
        return heard.admission ? [heard.admission] : [];
      }
    }
  };
  /** Of two devices with one name the newcomer takes the next free one; of two newcomers the one with the higher id. */
  const yieldName = async (name: string, admissions: readonly string[], other: string) => {
    if (name !== identity.name) return;
    const isNewcomer = identity.admissions.length === 0;
    const otherIsNewcomer = admissions.length === 0;
    if (isNewcomer === otherIsNewcomer ? id < other : otherIsNewcomer) return;
    const taken = new Set([...roster.members().values()].map((member) => member.record.name));
    let count = 2;
    while (taken.has(`${name}-${count}`)) count++;
    const free = `${name}-${count}`;
    warnings.raise(
      "member.nameTaken",
      `another member is called ${name}: this device is now ${free}`,
      "provision one of the two with another name",
    );
    await identity.rename(free);
    publishSelf();
  };

  const endpoints = () => endpointsOf(readLinks(config.link.interfaces), config.mesh.listenPort);
  await identity.setEndpoints(endpoints());
  const greeter = startGreeter({
    log: makeLog("hello"),
    async greet({ address: at, port }) {
      const answer = await sayHello(at, port, ownHello()).catch((error: unknown) => {
        if (error instanceof HamletError && error.code === "hello.pending") refusedAsPending = true;
        throw error;
      });
      const admissions = await meet(answer, at);
      // Our word that they are in reaches them by a second hello; the next one is not before it is needed.
      if (admissions.length > 0) await sayHello(at, port, { ...ownHello(), documents: admissions });
    },
  });
  ended.push(async () => greeter.stop());

  const ports = [config.link.helloPort, ...(config.link.pagePort ? [config.link.pagePort] : [])];
  const doorstep = await startDoorstep({
    ports,
    async onHello(hello, from) {
      const documents = await meet(hello, from);
      return { ...ownHello(), documents };
    },
    page,
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
    log: makeLog("discovery"),
    warnings,
    onNeighbor: (neighbor) => greeter.hint(neighbor),
  });
  const meeting = discovery;
  ended.push(() => meeting.stop());

  if (config.mesh.dnsPort) {
    const lookup = (name: string) =>
      name === identity.name ? address : [...roster.members().values()].find((member) => member.name === name)?.address;
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

  // The neighborhood's broker: the member with the lowest live id runs it, each member finds that out by itself.
  const brokerId = (): string => {
    const alive = [...cluster.liveness()].filter(([, { state }]) => state === "alive").map(([member]) => member);
    return [id, ...alive].sort()[0]!;
  };
  let broker: Broker | undefined;
  const keepBroker = async () => {
    const isMine = config.telemetry.broker === undefined && brokerId() === id;
    if (isMine && !broker) {
      const idOf = (source: string) =>
        source === address ? id : [...roster.members().values()].find((member) => member.address === source)?.record.id;
      const { port } = config.telemetry;
      const neighborhood = identity.neighborhood.id;
      try {
        broker = await startBroker({ address, port, neighborhood, deviceOfAddress: idOf, log: makeLog("broker") });
        warnings.clear("broker.unreachable");
      } catch (error) {
        warnings.raise(
          "broker.unreachable",
          describeError(error),
          "free the port, or set telemetry.port on every device",
        );
      }
    } else if (!isMine && broker) {
      const stopping = broker;
      broker = undefined;
      await stopping.stop();
    }
  };
  ended.push(async () => broker?.stop());

  const sampler = makeSampler({ clock, dataFolder: config.stateFolder, meshInterface: config.mesh.interface });
  const telemetry = startTelemetry({
    self: {
      id,
      neighborhood: identity.neighborhood.id,
      name: identity.name,
      board: config.board,
      release: config.release,
      address,
    },
    brokerAddress: () =>
      config.telemetry.broker ?? (brokerId() === id ? address : roster.members().get(brokerId())?.address),
    port: config.telemetry.port,
    sample: () => sampler.sample(),
    inventory: () => collectInventory(run),
    warnings: () => warnings.list(),
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

  let peers: PeerStatus[] = [];
  const reconcile = async () => {
    peers = await mesh.status();
    await keepBroker();
    if (await identity.setEndpoints(endpoints())) {
      publishSelf();
      greeter.again();
    }
  };
  const reconciling = every(reconcileMs, reconcile, complain);
  ended.push(async () => reconciling.stop());
  roster.onChange();
  log.info(`${identity.name} (${id}) of ${identity.neighborhoodName}, ${address} on ${config.mesh.interface}`);

  return {
    async report() {
      return {
        phase: refusedAsPending && roster.members().size === 0 ? "pending" : "member",
        members: memberStatuses({
          identity,
          config,
          members: [...roster.members().values()],
          liveness: cluster.liveness(),
          peers,
          metrics: telemetry.latest(),
          now: clock.now(),
        }),
        pending: roster.pending().map(({ heardAt: _, ...pending }) => pending),
        neighbors: meeting.neighbors().map(({ id: neighbor, address: at, port, via }) => ({
          ...(neighbor && { id: neighbor }),
          address: at,
          port,
          via,
        })),
        broker: brokerId(),
        tuning: tuning.applied(),
      };
    },
    async stop() {
      for (const end of ended.reverse()) await end()?.catch(complain);
    },
  };
}

const endpointOf = (address: string, port: number): string =>
  isIPv6(address.split("%")[0]!) ? `[${address}]:${port}` : `${address}:${port}`;

/** What others may try: addresses that mean the same on their side, so none that need a scope. */
function endpointsOf(links: readonly LinkInterface[], port: number): string[] {
  const addresses = links.flatMap((link) => link.addresses.map(({ address }) => address));
  return addresses.filter((address) => !isLinkLocal(address)).map((address) => endpointOf(address, port));
}
