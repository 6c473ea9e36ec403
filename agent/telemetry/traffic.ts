// Bytes over the links and over the mesh since boot, each byte once however many interfaces it passes on its way through the kernel.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { list, readOr } from "./kernel-files.ts";
import { type LinkCounters, parseNetDev } from "./proc.ts";

export type Traffic = { linkRx: number; linkTx: number; meshRx: number; meshTx: number };

/** `root` is where /proc and /sys are. `read` looks at them and adds up what came since the time before. */
export function makeTraffic(root: string, meshInterface: string): { read(): Traffic } {
  let before = new Map<string, LinkCounters>();
  const total = { linkRx: 0, linkTx: 0, meshRx: 0, meshTx: 0 };
  return {
    read() {
      const now = parseNetDev(readOr(join(root, "proc/net/dev")));
      // Nothing to read for a moment is not every interface gone.
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

/** An interface that was made anew counts from zero; what its forerunner carried has been added already. */
function since(before: LinkCounters = { rxBytes: 0, txBytes: 0 }, now: LinkCounters): LinkCounters {
  const isAnew = now.rxBytes < before.rxBytes || now.txBytes < before.txBytes;
  return isAnew ? now : { rxBytes: now.rxBytes - before.rxBytes, txBytes: now.txBytes - before.txBytes };
}

/**
 * Of these interfaces those through which bytes enter and leave the machine: hardware (`device`) that stands on no other interface
 * (`lower_<name>`), which a port of a switch chip does. Where there is no hardware, in a container, it is what leads out of it.
 */
function linksAmong(names: string[], folder: string): Set<string> {
  const hardware = names.filter((name) => existsSync(join(folder, name, "device")));
  const isLink = hardware.length > 0 ? isNetwork : leadsOut;
  return new Set((hardware.length > 0 ? hardware : names).filter((name) => isLink(join(folder, name))));
}

/** include/uapi/linux/if_arp.h: a CAN bus carries no network, and a radio's monitors see again what its stations carry. */
const noNetwork = ["280", "801", "802", "803"];
const isNetwork = (folder: string): boolean =>
  !noNetwork.includes(fact(folder, "type")) && !list(folder).some((entry) => entry.startsWith("lower_"));

/** The near end of a pair whose far end is elsewhere: Ethernet, and none of what the kernel's drivers make up within a machine. */
function leadsOut(folder: string): boolean {
  // No /sys for this namespace tells nothing against it but for the loopback.
  if (!existsSync(folder)) return !folder.endsWith("/lo");
  const isMadeUp = list(folder).some((entry) => /^(bridge|brport|bonding|master|tun_flags|lower_.*)$/.test(entry));
  if (fact(folder, "type") !== "1" || isMadeUp) return false;
  // IFF_NOARP: dummies and ifbs, which nobody hears.
  if (Number(fact(folder, "flags")) & 0x80) return false;
  const kind = /^DEVTYPE=(.*)$/m.exec(fact(folder, "uevent"))?.[1];
  return kind === undefined || ["macvlan", "vlan"].includes(kind);
}

const fact = (folder: string, name: string): string => readOr(join(folder, name)).trim();
