// Warnings about rollouts: one that stopped by itself, and hours that nobody knows here.
import type { RolloutStatus } from "../../ota/rollout/report.ts";
import type { Warnings } from "../health/warnings.ts";

export type WarnOfRollout = (status: RolloutStatus | undefined) => void;

/** `nameOf`: what people call a device. */
export function makeWarnOfRollout(
  warnings: Pick<Warnings, "raise" | "clear">,
  nameOf: (id: string) => string,
): WarnOfRollout {
  return (status) => {
    const waits = status?.state === "paused" ? status.waits : undefined;
    if (waits?.on === "failures") {
      const who = waits.devices.map(nameOf).join(", ");
      warnings.raise(
        "rollout.paused",
        `the rollout of ${status!.release} has stopped: it failed on ${who || "too many devices"}`,
        "see why: hamlet rollout status; then hamlet rollout abort, or resume",
        { since: waits.since },
      );
    } else warnings.clear("rollout.paused");
    if (status?.isWindowIgnored && status.state === "running") {
      warnings.raise(
        "rollout.noHours",
        "no time server has answered for a day, so this device does not know when it may restart, and restarts at any hour",
        "let it reach a time server (NTP)",
      );
    } else warnings.clear("rollout.noHours");
  };
}
