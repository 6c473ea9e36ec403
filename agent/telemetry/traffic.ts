// Counts bytes over the links and over the mesh since boot, each byte once, however many interfaces it passes in the kernel.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { list, readOr } from "./kernel-files.ts";
import { type LinkCounters, parseNetDev } from "./proc.ts";

export type Traffic = { linkRx: number; linkTx: number; meshRx: number; meshTx: number };

/** `root` is where /proc and /sys are. `read` adds what has passed since the last call. */
export function makeTraffic(root: string, meshInterface: string): { read(): Traffic } {
  let before = new Map<string, LinkCounters>();
  const total = { linkRx: 0, linkTx: 0, meshRx: 0, meshTx: 0 };
  return {
    read() {
      const now = parseNetDev(readOr(join(root, "proc/net/dev")));
      // An unreadable file does not mean that every interface is gone.
      if (now.size === 0) return { ...total };
      const links = linksAmong(
        [...now.keys()].filter((name) => name !== meshInterface),
        join(root, "sys/class/net"),
      );
      for (const [name, counters] of now) {
        if (name !== meshInterface && !links.has(name)) continue;
        const { rxBytes, txBytes } = since(before.get(name), counters);
        const isMesh = name === meshInterface;
        total[isMesh ? "meshRx" : "linkRx"] += rxBytes;
        total[isMesh ? "meshTx" : "linkTx"] += txBytes;
      }
      before = now;
      return { ...total };
    },
  };
}

/** A recreated interface counts from zero; the bytes of the earlier one have been added already. */
function since(before: LinkCounters = { rxBytes: 0, txBytes: 0 }, now: LinkCounters): LinkCounters {
  const isAnew = now.rxBytes < before.rxBytes || now.txBytes < before.txBytes;
  return isAnew ? now : { rxBytes: now.rxBytes - before.rxBytes, txBytes: now.txBytes - before.txBytes };
}

/**
 * The interfaces through which bytes enter and leave the machine: hardware (`device`) that is not on top of another interface
 * (`lower_<name>`), as the ports of a switch chip are. In a container, which has no hardware, those that lead out of it.
 */
function linksAmong(names: string[], folder: string): Set<string> {
  const hardware = names.filter((name) => existsSync(join(folder, name, "device")));
  const isLink = hardware.length > 0 ? isNetwork : leadsOut;
  return new Set((hardware.length > 0 ? hardware : names).filter((name) => isLink(join(folder, name))));
}

/** include/uapi/linux/if_arp.h: a CAN bus is not a network, and a Wi-Fi monitor sees the stations' bytes again. */
const noNetwork = ["280", "801", "802", "803"];
const isNetwork = (folder: string): boolean =>
  !noNetwork.includes(fact(folder, "type")) && !list(folder).some((entry) => entry.startsWith("lower_"));

/** An Ethernet interface whose far end is outside: not one of those that the kernel makes within the machine. */
function leadsOut(folder: string): boolean {
  // Without /sys for this namespace only the loopback is known not to lead out.
  if (!existsSync(folder)) return !folder.endsWith("/lo");
  const isMadeUp = list(folder).some((entry) => /^(bridge|brport|bonding|master|tun_flags|lower_.*)$/.test(entry));
  if (fact(folder, "type") !== "1" || isMadeUp) return false;
  // IFF_NOARP: dummies and ifbs, which lead nowhere.
  if (Number(fact(folder, "flags")) & 0x80) return false;
  const kind = /^DEVTYPE=(.*)$/m.exec(fact(folder, "uevent"))?.[1];
  return kind === undefined || ["macvlan", "vlan"].includes(kind);
}

const fact = (folder: string, name: string): string => readOr(join(folder, name)).trim();
