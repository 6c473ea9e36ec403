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
}): { stop(): void; look(): Promise<void> } {
  const { warnings, clock, log, hasNetwork } = options;
  let lastSeen = clock.monotonic();
  const look = async () => {
    const now = clock.monotonic();
    if (hasNetwork()) {
      lastSeen = now;
      warnings.clear("network.down");
    } else if (now - lastSeen >= graceMs) {
      warnings.raise("network.down", "this device has no network", "check its cable, the switch or the Wi-Fi");
    }
  };
  return { ...every(tickMs, look, (error) => log.warn(`network: ${describeError(error)}`)), look };
}
