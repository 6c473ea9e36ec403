// Which warnings strangers on the link may see.
// Pure.
import type { WarningCode } from "./warning-codes.ts";
import type { Warning } from "./warnings.ts";

/** Warnings about this device alone, which name no other device and no address. */
const publicWarnings = new Set<WarningCode>([
  "clock.behind",
  "discovery.multicastBlocked",
  "firstboot.failed",
  "install.available",
  "mesh.userspace",
  "names.unavailable",
  "network.down",
  "port.taken",
  "start.failed",
  "state.damaged",
  "state.full",
  "token.expired",
  "update.fallback",
  "waiting.pending",
  "waiting.unprovisioned",
  "wifi.notFound",
  "wifi.refused",
  "wifi.wrongPassword",
]);

export const publicOf = (warnings: readonly Warning[]): Warning[] =>
  warnings.filter(({ code }) => publicWarnings.has(code));
