// The mesh as this device runs it: guard, WireGuard, paths and names, each with its share of the settings.
import { run } from "../../system/command.ts";
import { describeError } from "../../system/error.ts";
import { makeLog } from "../../system/log.ts";
import { readLinks } from "../discovery/links.ts";
import type { Journal } from "../kernel/journal.ts";
import type { Membership } from "../membership/membership.ts";
import { startFirewall } from "../mesh/firewall.ts";
import { guardPart } from "../mesh/guard.ts";
import { startMesh } from "../mesh/mesh.ts";
import { startNames } from "../mesh/names.ts";
import { type Paths, startPaths } from "../mesh/paths.ts";
import type { Scope } from "./scope.ts";

/** Nothing but WireGuard's own traffic may use our addresses. Throws `guard.failed`. */
export async function startGuard({ config, identity, ended }: Scope, journal: Journal): Promise<void> {
  const guard = guardPart({
    interface: config.mesh.interface,
    prefix: identity.prefix,
    agentUid: process.getuid!(),
    privatePorts: [config.cluster.port, config.telemetry.port, config.update.lendPort],
    pagePort: config.link.pagePort || 80,
  });
  const firewall = await startFirewall({ run, log: makeLog("firewall"), journal }, [guard]);
  ended.push(() => firewall.stop());
}

/** The tunnel, and the paths through it. Throws `mesh.failed`. */
export async function startTunnel(
  { config, identity, clock, warnings, ended }: Scope,
  journal: Journal,
): Promise<Paths> {
  const { address, prefix, wireguard } = identity;
  const mesh = await startMesh({
    interface: config.mesh.interface,
    privateKey: wireguard.privateKey,
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
  const links = () =>
    readLinks(config.link.interfaces).flatMap((link) =>
      link.addresses.map(({ address: at, bits }) => ({ address: at, prefixLength: bits })),
    );
  const paths = startPaths({ mesh, prefix, links, clock, log: makeLog("paths") });
  ended.push(() => paths.stop());
  return paths;
}

/** Members' names by DNS; the mesh works without them. */
export async function serveNames({ config, identity, warnings, ended }: Scope, membership: Membership): Promise<void> {
  const lookup = (name: string) =>
    name === identity.name
      ? identity.address
      : [...membership.members().values()].find((member) => member.name === name)?.address;
  try {
    const names = await startNames({ port: config.mesh.dnsPort, lookup, log: makeLog("names") });
    ended.push(() => names.stop());
  } catch (error) {
    const hint = "free the port or set mesh.dnsPort; the mesh works without names";
    warnings.raise("names.unavailable", describeError(error), hint);
  }
}
