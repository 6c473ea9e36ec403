// The tuning profiles, as data: each value with its unit, reason and source. Only keys under `net.`.
import { z } from "zod";
import { SysctlKey } from "../kernel/changes.ts";

export const Setting = z.strictObject({
  key: SysctlKey,
  value: z.string().min(1),
  unit: z.string(),
  reason: z.string(),
  source: z.string(),
  /** The profile is pointless without this one: if the kernel refuses it, the next profile is tried. */
  isEssential: z.boolean().default(false),
  /** Only raise, number by number: a machine that has more keeps it. */
  isMinimum: z.boolean().default(false),
});
export type Setting = z.infer<typeof Setting>;
export type Profile = { name: string; purpose: string; settings: Setting[] };

// Loss and reordering take most of the throughput from CUBIC: at 2 % loss and 5 % reordering 4 Mbit/s are left (measured, kernel 6.1).
const buffers: z.input<typeof Setting>[] = [
  {
    key: "net.core.rmem_max",
    value: "7340032",
    unit: "bytes",
    reason: "a burst for WireGuard or for a chunk download waits in the socket instead of being dropped",
    source: "7 MiB as wireguard-go and Tailscale ask for; kernel default is 208 KiB",
    isMinimum: true,
  },
  {
    key: "net.core.wmem_max",
    value: "7340032",
    unit: "bytes",
    reason: "as rmem_max, for sending",
    source: "as rmem_max",
    isMinimum: true,
  },
  {
    key: "net.ipv4.tcp_mtu_probing",
    value: "1",
    unit: "0 off, 1 after a black hole was seen, 2 always",
    reason: "tunnels have a smaller MTU, and many home routers drop the ICMP message that says so",
    source: "RFC 4821; Documentation/networking/ip-sysctl.rst",
    isMinimum: true,
  },
];

export const profiles: Profile[] = [
  define("bbr", "links that lose and reorder packets (Wi-Fi, power line): the rate follows a model, not losses", [
    {
      key: "net.ipv4.tcp_congestion_control",
      value: "bbr",
      unit: "name",
      reason:
        "5 times CUBIC's rate at 1 % loss, 2-3 times CUBIC with RACK off; it paces by itself, so no queue is changed",
      source: "own measurement on a middle hop; pacing: Linux 4.13, commit 218af599fa63",
      isEssential: true,
    },
    ...buffers,
  ]),
  define("patientCubic", "the same links on a kernel without BBR: reordering is not mistaken for loss", [
    {
      key: "net.ipv4.tcp_recovery",
      value: "0",
      unit: "bits",
      reason:
        "RACK mistakes late packets for lost ones; off gives 2-3 times the rate at 1 % loss with 2.5 % reordering",
      source: "own measurement; RFC 8985; Documentation/networking/ip-sysctl.rst",
      isEssential: true,
    },
    {
      key: "net.ipv4.tcp_early_retrans",
      value: "0",
      unit: "0 off, 3 tail loss probe",
      reason: "tail loss probes depend on RACK",
      source: "own measurement; Documentation/networking/ip-sysctl.rst",
    },
    {
      key: "net.ipv4.tcp_reordering",
      value: "10",
      unit: "packets",
      reason: "how far a packet may be late before it counts as lost, once RACK is off; alone it does nothing",
      source: "own measurement; Documentation/networking/ip-sysctl.rst",
      isMinimum: true,
    },
    ...buffers,
  ]),
];

function define(name: string, purpose: string, settings: z.input<typeof Setting>[]): Profile {
  return { name, purpose, settings: settings.map((setting) => Setting.parse(setting)) };
}
