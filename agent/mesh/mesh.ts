// The mesh's interfaces: reads what is there, plans and applies, one task at a time. Decides nothing that plan.ts can decide.
import { canonicalIpv6, canonicalPrefix } from "../../system/address.ts";
import type { Clock } from "../../system/clock.ts";
import type { Run } from "../../system/command.ts";
import { describeError, HamletError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import { makeQueue } from "../../system/queue.ts";
import type { Warnings } from "../health/warnings.ts";
import { isSamePlace, type Place } from "../kernel/changes.ts";
import type { Journal } from "../kernel/journal.ts";
import { readCurrent } from "./kernel.ts";
import { wireguardPublicKey } from "./key.ts";
import { acceptable, madeFor, planMesh, printPlan, type Step, type WantedInterface, type WantedPeer } from "./plan.ts";
import { type PeerStatus, parseDump } from "./status.ts";
import { startUserspace, type Userspace } from "./userspace.ts";

export type MeshOptions = {
  interface: string;
  /** base64, as `wg genkey` prints it. */
  privateKey: string;
  listenPort: number;
  /** Our own mesh address and the neighborhood's /48. */
  address: string;
  prefix: string;
  mtu: number;
  run: Run;
  journal: Pick<Journal, "recordMade" | "release">;
  clock: Clock;
  log: Log;
  warnings: Warnings;
  /** Run wireguard-go where the kernel has no WireGuard. */
  userspaceFallback: boolean;
};
export type Mesh = {
  /** Replaces all peers. Resolves when the kernel has them. */
  setPeers(peers: WantedPeer[]): Promise<void>;
  /** Removes peers from the kernel; the next `setPeers` makes those it names afresh, and they shake hands at once. */
  drop(wireguardKeys: string[]): Promise<void>;
  /** Status of the peers. Restores first what something removed or changed: the interface at once, the rest within 10 s. */
  status(): Promise<PeerStatus[]>;
  /** The commands that are due now, for people to read; empty when all is as wanted. */
  plan(): Promise<string>;
  readonly isUserspace: boolean;
  /** Removes the interface with its address and route. The unreachable route stays: it keeps our traffic from leaving in clear. */
  stop(): Promise<void>;
};

// As often as the firewall is checked: reading address, link and routes takes two more programs than reading the peers.
const reconcileMs = 10_000;

/** Makes the mesh's interface and its routes. Throws `mesh.failed` or `port.taken`. */
export async function startMesh(options: MeshOptions): Promise<Mesh> {
  const { interface: name, run, journal, clock, log, warnings } = options;
  const address = canonicalIpv6(options.address);
  const prefix = canonicalPrefix(options.prefix);
  if (!address || !prefix?.endsWith("/48"))
    throw new HamletError("mesh.failed", `${options.address} in ${options.prefix} is no address`);
  const { privateKey, listenPort, mtu } = options;
  const publicKey = wireguardPublicKey(privateKey);
  const common = { privateKey, publicKey, listenPort, mtu };
  let wanted: [WantedInterface] = [{ name, ...common, addresses: [address], routes: [prefix], peers: [] }];
  /** Interfaces that wireguard-go runs, and those that we made in the kernel. */
  const userspace = new Map<string, Userspace>();
  const made = new Set<string>();
  let isStopped = false;
  /** The next time that peers are applied: those of every change until then. */
  let applying: Promise<void> | undefined;

  // One queue: two plans made from the same reading would undo each other.
  const inTurn = makeQueue();

  const due = async () => planMesh(await readCurrent(run, wanted), wanted, clock.now());
  let appliedAt = Number.NEGATIVE_INFINITY;
  // `wasApplied`: nothing new is wanted since the last time, so something else must have changed the kernel.
  const apply = async ({ wasApplied = false } = {}) => {
    if (isStopped) return;
    const steps = await due();
    if (steps.length > 0) {
      if (wasApplied && !steps.every(isPeerUpdate))
        log.warn(`something changed ${wanted.map((link) => link.name).join(", ")}: restoring it`);
      log.debug(`applying: ${printPlan(steps)}`);
    }
    for (const step of steps) {
      if (step.makes?.kind === "interface") await create(step.makes.key, step);
      else await act(step);
    }
    appliedAt = clock.monotonic();
  };
  const act = async ({ argv, input, makes }: Step) => {
    if (makes) await journal.recordMade("mesh", makes, log);
    try {
      await run(argv, input === undefined ? {} : { input });
    } catch (cause) {
      throw explained(cause, options);
    }
  };
  const create = async (link: string, step: Step) => {
    if (!userspace.has(link)) {
      try {
        await act(step);
        made.add(link);
        return;
      } catch (error) {
        if (!options.userspaceFallback || !/not supported|Unknown device type/i.test(describeError(error))) throw error;
      }
      warnings.raise(
        "mesh.userspace",
        "this kernel has no WireGuard: wireguard-go carries the mesh, slower and with more CPU",
        "install a kernel with the wireguard module (Linux 5.6 or newer has it)",
      );
    }
    await userspace.get(link)?.stop();
    userspace.set(link, await startUserspace(link, log));
  };

  const remove = async (link: string) => {
    const running = userspace.get(link);
    if (running) return running.stop();
    await run(["ip", "link", "del", "dev", link]).catch((error) =>
      log.warn(`cannot remove ${link}: ${describeError(error)}`),
    );
  };
  /** Removes what the journal still holds of earlier runs, or of this one. */
  const release = async (isDue: (place: Place) => boolean) => {
    for (const { change, because } of await journal.release("mesh", isDue))
      log.warn(`cannot remove ${change.key}: ${because}`);
  };

  try {
    // An earlier run may have made it for another neighborhood, or under another name.
    await release((place) => !madeFor(wanted).some((made) => isSamePlace(made, place)));
    await inTurn(() => apply());
  } catch (error) {
    // Half an interface is of no use; one that was there before us is not ours to remove.
    for (const link of new Set([...userspace.keys(), ...made])) await remove(link);
    throw error;
  }
  return {
    get isUserspace() {
      return userspace.size > 0;
    },
    setPeers(peers) {
      const next: WantedInterface = { ...wanted[0], peers };
      for (const peer of acceptable(next).refused)
        log.warn(`left out peer ${peer.name}: its key or address is not its own`);
      wanted = [next];
      applying ??= inTurn(() => {
        applying = undefined;
        return apply();
      });
      return applying;
    },
    drop: (keys) =>
      inTurn(async () => {
        if (keys.length === 0 || isStopped) return;
        await act({ argv: ["wg", "set", name, ...keys.flatMap((key) => ["peer", key, "remove"])] });
      }),
    status: () =>
      inTurn(async () => {
        if (isStopped) return [];
        const show = async () => parseDump(await run(["wg", "show", name, "dump"])).peers;
        if (clock.monotonic() - appliedAt >= reconcileMs) await apply({ wasApplied: true });
        const peers = await show().catch(async () => {
          await apply({ wasApplied: true });
          return show();
        });
        return peers.map(({ allowedIps: _, keepaliveSeconds: __, ...status }) => status);
      }),
    plan: () => inTurn(async () => printPlan(await due())),
    stop: () =>
      inTurn(async () => {
        if (isStopped) return;
        isStopped = true;
        for (const link of wanted) await remove(link.name);
        await release(({ kind }) => kind === "interface");
      }),
  };
}

/** A peer's endpoint or range, which changes as the peer roams. */
const isPeerUpdate = ({ argv }: Step): boolean => argv[0] === "wg" && argv.includes("peer");

function explained(cause: unknown, { interface: link, listenPort }: MeshOptions): HamletError {
  const because = describeError(cause);
  if (/Address already in use/i.test(because)) {
    return new HamletError("port.taken", `UDP port ${listenPort} is taken: ${link} cannot listen there`, {
      hint: "set another mesh.listenPort, or stop the program that has it: ss -ulpn",
      cause,
    });
  }
  const hint = /not permitted|Permission denied/i.test(because)
    ? "the agent needs CAP_NET_ADMIN as an ambient capability, and IPv6 must not be disabled (net.ipv6.conf.all.disable_ipv6)"
    : cause instanceof HamletError && cause.code === "command.missing"
      ? "install iproute2 and wireguard-tools"
      : undefined;
  return new HamletError("mesh.failed", `cannot set up ${link}: ${because}`, { ...(hint && { hint }), cause });
}
