// When the system started, in ms since 1970: one answer for as long as it runs.
// Pure.

/** Below this the clock was read a little sooner or later, or nudged; above it somebody has set it. */
const setMs = 60_000;

/** Takes when it started as the kernel says (0 if it does not), now, and the uptime; undefined until there is an answer. */
export function makeStartedAt(): (bootTime: number, now: number, uptimeS: number) => number | undefined {
  let known: number | undefined;
  return (bootTime, now, uptimeS) => {
    if (bootTime <= 0 && uptimeS <= 0) return known;
    const seen = bootTime > 0 ? bootTime : Math.max(0, now - uptimeS * 1000);
    // A Pi without a clock battery starts at a time of its own and gets the right one from the network later.
    if (known === undefined || Math.abs(seen - known) > setMs) known = Math.round(seen / 1000) * 1000;
    return known;
  };
}
