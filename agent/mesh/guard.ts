// The guard: the part of the firewall that makes a source address in our /48 a proof of identity. The kernel drops a packet with
// such an address unless WireGuard delivered it (design 5.3).
// Pure.
import { z } from "zod";
import { canonicalPrefix } from "../../system/address.ts";
import { HamletError } from "../../system/error.ts";
import type { Part } from "./table.ts";

export type GuardOptions = {
  interface: string;
  prefix: string;
  /** Besides root, only this user may open connections to the agents' ports. */
  agentUid: number;
  /** Cluster and MQTT: a program that connects there from this device speaks for the device. */
  privatePorts: number[];
  /** The device may look at its own page. */
  pagePort: number;
};

/** Throws `guard.failed` for a prefix that is not a /48. */
export function guardPart(options: GuardOptions): Part {
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
  const dropOurs = [`ip6 saddr ${prefix} counter drop`, `ip6 daddr ${prefix} counter drop`];
  return {
    owner: "guard",
    chains: [
      {
        name: "arriving",
        comment: "mesh addresses come in by the mesh or not at all",
        ...{ type: "filter", hook: "prerouting", priority: "raw" },
        rules: [`iifname { "${link}", "lo" } accept`, ...dropOurs],
      },
      {
        name: "leaving",
        comment: "nothing for the mesh leaves in clear, whatever routes exist",
        ...{ type: "filter", hook: "postrouting", priority: "raw" },
        rules: [`oifname { "${link}", "lo" } accept`, ...dropOurs],
      },
      {
        name: "opening",
        comment: "only root and the agent connect to agents",
        ...{ type: "filter", hook: "output", priority: "filter" },
        rules: [
          `meta skuid { ${uid === 0 ? "0" : `0, ${uid}`} } accept`,
          `oifname "${link}" ip6 daddr ${prefix} tcp dport { ${all} } counter reject with tcp reset`,
          `oifname "${link}" ip6 daddr ${prefix} udp dport { ${own} } counter reject`,
          `oifname "lo" ip6 daddr ${prefix} tcp dport { ${own} } counter reject with tcp reset`,
          `oifname "lo" ip6 daddr ${prefix} udp dport { ${own} } counter reject`,
        ],
      },
    ],
  };
}
