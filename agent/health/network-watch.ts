// Warns when this device has no network at all.
import { type Clock, every } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Warnings } from "./warnings.ts";

const tickMs = 5_000;
/** A restart of the switch, and DHCP after it, take about this long. */
const graceMs = 15_000;

export function watchNetwork(options: {
  warnings: Pick<Warnings, "raise" | "clear">;
  clock: Clock;
  log: Log;
  /** Whether any link is up and has an address. */
  hasNetwork(): boolean;
  /** Names in the configuration that are of no link. */
  notLinks?(): string[];
}): { stop(): void; look(): Promise<void> } {
  const { warnings, clock, log, hasNetwork, notLinks = () => [] } = options;
  /** Since when. */
  const missing = new Map<string, number>();
  let lastSeen = clock.monotonic();
  // Otherwise a mistyped name looks like a cable that is not plugged in.
  const lookForLinks = (now: number) => {
    const names = notLinks();
    for (const name of [...missing.keys()].filter((one) => !names.includes(one))) {
      missing.delete(name);
      warnings.clear("config.invalid", name);
    }
    for (const name of names) {
      const since = missing.get(name) ?? now;
      missing.set(name, since);
      if (now - since < graceMs) continue;
      const message = `link.interfaces names ${name}, and this device has no such link`;
      warnings.raise("config.invalid", message, "correct it in the configuration, or plug the adapter in", name);
    }
  };
  const look = async () => {
    const now = clock.monotonic();
    lookForLinks(now);
    if (hasNetwork()) {
      lastSeen = now;
      warnings.clear("network.down");
    } else if (now - lastSeen >= graceMs) {
      warnings.raise("network.down", "this device has no network", "check its cable, the switch or the Wi-Fi");
    }
  };
  return { ...every(tickMs, look, (error) => log.warn(`network: ${describeError(error)}`)), look };
}
