// What makes a source address in our /48 a proof of identity: the kernel drops it unless WireGuard delivered it (design 5.3).
// Stands before any socket opens, and stays when the agent ends.
import { z } from "zod";
import { canonicalPrefix } from "../../system/address.ts";
import { every } from "../../system/clock.ts";
import type { Run } from "../../system/command.ts";
import { describeError, HamletError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";

/** `agentPorts`: TCP ports on mesh addresses that only root and `agentUid` may open connections to. */
export type GuardOptions = {
  run: Run;
  interface: string;
  prefix: string;
  agentUid: number;
  /** Cluster and MQTT: whoever speaks there from this device speaks for it. */
  privatePorts: number[];
  /** The page: the device itself may look at its own. */
  pagePort: number;
};

const timeoutMs = 10_000;

/** The whole table as one transaction: made, emptied and filled again, so that no packet ever meets half of it. */
export function guardRules(options: Omit<GuardOptions, "run">): string {
  const { privatePorts, pagePort, agentUid } = options;
  const link = z
    .string()
    .regex(/^[\w.-]{1,15}$/)
    .parse(options.interface);
  const prefix = canonicalPrefix(options.prefix);
  if (!prefix?.endsWith("/48")) throw new HamletError("guard.failed", `${options.prefix} is not a /48`);
  const port = z.int().min(1).max(65_535);
  const own = z.array(port).min(1).parse(privatePorts).join(", ");
  const all = [...privatePorts, port.parse(pagePort)].join(", ");
  const uid = z.int().min(0).parse(agentUid);
  const owners = uid === 0 ? "0" : `0, ${uid}`;
  return `table inet hamlet {
}
delete table inet hamlet
table inet hamlet {
	chain arriving {
		comment "mesh addresses come in by the mesh or not at all"
		type filter hook prerouting priority raw; policy accept;
		iifname { "${link}", "lo" } accept
		ip6 saddr ${prefix} counter drop
		ip6 daddr ${prefix} counter drop
	}
	chain leaving {
		comment "nothing for the mesh leaves in clear, whatever route somebody added"
		type filter hook postrouting priority raw; policy accept;
		oifname { "${link}", "lo" } accept
		ip6 saddr ${prefix} counter drop
		ip6 daddr ${prefix} counter drop
	}
	chain opening {
		comment "only root and the agent speak to agents"
		type filter hook output priority filter; policy accept;
		meta skuid { ${owners} } accept
		oifname "${link}" ip6 daddr ${prefix} tcp dport { ${all} } counter reject with tcp reset
		oifname "${link}" ip6 daddr ${prefix} udp dport { ${own} } counter reject
		oifname "lo" ip6 daddr ${prefix} tcp dport { ${own} } counter reject with tcp reset
		oifname "lo" ip6 daddr ${prefix} udp dport { ${own} } counter reject
	}
}
`;
}

/** Raises the guard, or replaces it in one go. Throws `guard.failed`: without it no socket may be opened. */
export async function raiseGuard(options: GuardOptions): Promise<void> {
  try {
    await options.run(["nft", "-f", "-"], { input: guardRules(options), timeoutMs });
  } catch (cause) {
    if (cause instanceof HamletError && cause.code === "guard.failed") throw cause;
    throw new HamletError(
      "guard.failed",
      `the packet filter that guards the mesh could not be set: ${describeError(cause)}`,
      {
        hint: hintFor(cause),
        cause,
      },
    );
  }
}

/** Whether the table stands: false also when it cannot be read. */
export const isGuarded = (run: Run): Promise<boolean> =>
  run(["nft", "list", "table", "inet", "hamlet"], { timeoutMs }).then(
    (rules) => ["chain arriving", "chain leaving", "chain opening"].every((chain) => rules.includes(chain)),
    () => false,
  );

/** Looks after the guard: a firewall's reload (`nft flush ruleset`) takes every table away, ours too. */
export function watchGuard(options: GuardOptions, log: Log, everyMs = 10_000): { stop(): void } {
  const look = async () => {
    if (await isGuarded(options.run)) return;
    await raiseGuard(options);
    log.warn(
      "the packet filter that guards the mesh was gone: it stands again (does a firewall service flush all tables?)",
    );
  };
  return every(everyMs, look, (error) => log.error(describeError(error)));
}

function hintFor(cause: unknown): string {
  if (cause instanceof HamletError && cause.code === "command.missing") return "install nftables: apt install nftables";
  return /not permitted|must be root/i.test(describeError(cause))
    ? "the agent needs CAP_NET_ADMIN as an ambient capability (see its systemd unit)"
    : "the kernel needs nf_tables with the inet family (modules nf_tables, nf_tables_inet, nft_reject_inet, nft_counter)";
}
