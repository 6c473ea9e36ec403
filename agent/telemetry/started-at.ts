// When the system started, in ms since 1970: the same answer as long as it runs.
// Pure.

/** A smaller difference is jitter or a nudged clock; a larger one means that the clock was set. */
const setMs = 60_000;

/** The function takes the boot time from the kernel (0 if unknown), now, and the uptime; undefined until there is an answer. */
export function makeStartedAt(): (bootTime: number, now: number, uptimeS: number) => number | undefined {
  let known: number | undefined;
  return (bootTime, now, uptimeS) => {
    if (bootTime <= 0 && uptimeS <= 0) return known;
    const seen = bootTime > 0 ? bootTime : Math.max(0, now - uptimeS * 1000);
    // A Pi without a clock battery starts with a wrong clock and gets the right time from the network later.
    if (known === undefined || Math.abs(seen - known) > setMs) known = Math.round(seen / 1000) * 1000;
    return known;
  };
}
