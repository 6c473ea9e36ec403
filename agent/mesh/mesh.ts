// The mesh interface: reads what is, plans, applies, one thing after another. Decides nothing that plan.ts can decide.

import { canonicalIpv6, canonicalPrefix } from "../../system/address.ts";
import type { Clock } from "../../system/clock.ts";
import type { Run } from "../../system/command.ts";
import { describeError, HamletError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Warnings } from "../health/warnings.ts";
import { readCurrent, timeoutMs } from "./kernel.ts";
import { wireguardPublicKey } from "./key.ts";
import { acceptable, planMesh, printPlan, type Step, type Wanted, type WantedPeer } from "./plan.ts";
import type { PeerStatus } from "./status.ts";
import { parseDump } from "./status.ts";
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
  clock: Clock;
  log: Log;
  warnings: Warnings;
  /** Run wireguard-go where the kernel has no WireGuard. */
  userspaceFallback: boolean;
};
export type Mesh = {
  /** All peers there shall be. Resolves when the kernel has them; a later call replaces an earlier one. */
  setPeers(peers: WantedPeer[]): Promise<void>;
  /** Takes peers out of the kernel; the next `setPeers` makes those it names afresh, and they shake hands at once. */
  drop(wireguardKeys: string[]): Promise<void>;
  /** How the peers fare. What somebody took away or changed is put back first: at once if it is the interface, else within 10 s. */
  status(): Promise<PeerStatus[]>;
  /** The commands that are due now, for people: none when all is as wanted. */
  plan(): Promise<string>;
  readonly isUserspace: boolean;
  /** Removes the interface with its address and route. The unreachable route stays: it keeps our traffic from leaving in clear. */
  stop(): Promise<void>;
};

// As often as the guard is looked at: reading address, link and routes costs two more programs than reading the peers.
const reconcileMs = 10_000;

/** Makes the interface and its routes. Throws `mesh.failed` or `port.taken`. */
export async function startMesh(options: MeshOptions): Promise<Mesh> {
  const { interface: link, run, clock, log, warnings } = options;
  const address = canonicalIpv6(options.address);
  const prefix = canonicalPrefix(options.prefix);
  if (!address || !prefix?.endsWith("/48"))
    throw new HamletError("mesh.failed", `${options.address} in ${options.prefix} is no address`);
  const { privateKey, listenPort, mtu } = options;
  const publicKey = wireguardPublicKey(privateKey);
  let wanted: Wanted = { interface: link, privateKey, publicKey, listenPort, address, prefix, mtu, peers: [] };
  let userspace: Userspace | undefined;
  let hasMade = false;
  let stopped = false;

  // One queue: two plans made from the same reading would undo each other.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(task: () => Promise<T>): Promise<T> => {
    const turn = last.then(task);
    last = turn.catch(() => {});
    return turn;
  };

  const due = async () => planMesh(await readCurrent(run, link, prefix), wanted, clock.now());
  let appliedAt = Number.NEGATIVE_INFINITY;
  // The one way from what is to what should be. `wasApplied`: nobody asked for anything new since the last time.
  const apply = async ({ wasApplied = false } = {}) => {
    if (stopped) return;
    const steps = await due();
    if (steps.length > 0) {
      if (wasApplied && !steps.every(isPeerUpdate)) log.warn(`${link} was changed by somebody: putting it back`);
      log.debug(`applying: ${printPlan(steps)}`);
    }
    for (const step of steps) {
      if (isCreation(step)) await create(step);
      else await act(step);
    }
    appliedAt = clock.monotonic();
  };
  const act = async ({ argv, input }: Step) => {
    try {
      await run(argv, { timeoutMs, ...(input !== undefined && { input }) });
    } catch (cause) {
      throw explained(cause, options);
    }
  };
  const create = async (step: Step) => {
    if (!userspace) {
      try {
        await act(step);
        hasMade = true;
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
    await userspace?.stop();
    userspace = await startUserspace(link, log);
  };

  const takeDown = async () => {
    if (userspace) await userspace.stop();
    else
      await run(["ip", "link", "del", "dev", link], { timeoutMs }).catch((error) =>
        log.warn(`${link} was not taken down: ${describeError(error)}`),
      );
  };

  try {
    await inTurn(() => apply());
  } catch (error) {
    // Half an interface helps nobody; one that was there before we came is not ours to judge.
    if (userspace || hasMade) await takeDown();
    throw error;
  }
  return {
    get isUserspace() {
      return userspace !== undefined;
    },
    setPeers(peers) {
      const { refused } = acceptable({ ...wanted, peers });
      for (const peer of refused) log.warn(`peer ${peer.name} left out: its key or address is not its own`);
      wanted = { ...wanted, peers };
      return inTurn(() => apply());
    },
    drop: (keys) =>
      inTurn(async () => {
        if (keys.length === 0 || stopped) return;
        await act({ argv: ["wg", "set", link, ...keys.flatMap((key) => ["peer", key, "remove"])] });
      }),
    status: () =>
      inTurn(async () => {
        if (stopped) return [];
        const show = async () => parseDump(await run(["wg", "show", link, "dump"], { timeoutMs })).peers;
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
        if (stopped) return;
        stopped = true;
        await takeDown();
      }),
  };
}

/** A peer's endpoint or range, which changes in the course of things. */
const isPeerUpdate = ({ argv }: Step): boolean => argv[0] === "wg" && argv.includes("peer");
const isCreation = ({ argv }: Step): boolean => argv[0] === "ip" && argv[1] === "link" && argv[2] === "add";

function explained(cause: unknown, { interface: link, listenPort }: MeshOptions): HamletError {
  const told = describeError(cause);
  if (/Address already in use/i.test(told)) {
    return new HamletError("port.taken", `UDP port ${listenPort} is taken: ${link} cannot listen there`, {
      hint: "set another mesh.listenPort, or stop the program that has it: ss -ulpn",
      cause,
    });
  }
  const hint = /not permitted|Permission denied/i.test(told)
    ? "the agent needs CAP_NET_ADMIN as an ambient capability, and IPv6 must not be disabled (net.ipv6.conf.all.disable_ipv6)"
    : cause instanceof HamletError && cause.code === "command.missing"
      ? "install iproute2 and wireguard-tools"
      : undefined;
  return new HamletError("mesh.failed", `${link} could not be set up: ${told}`, { ...(hint && { hint }), cause });
}
