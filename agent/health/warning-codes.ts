// The closed set of warnings, and how bad a warning can be.
export type WarningCode =
  | "broker.unreachable"
  | "clock.behind"
  | "config.invalid"
  | "discovery.multicastBlocked"
  | "discovery.failed"
  | "firstboot.failed"
  | "install.available"
  | "mesh.userspace"
  | "member.dead"
  | "member.nameTaken"
  | "names.unavailable"
  | "network.down"
  | "port.taken"
  | "record.refused"
  | "start.failed"
  | "state.damaged"
  | "state.full"
  | "token.disputed"
  | "token.expired"
  | "token.surplus"
  | "tuning.failed"
  | "update.fallback"
  | "update.noUpdater"
  | "update.waiting"
  | "waiting.pending"
  | "waiting.unprovisioned"
  | "wifi.notFound"
  | "wifi.refused"
  | "wifi.wrongPassword";

/** `error`: something does not work. `warning`: it works, but not as it should. `info`: it is worth knowing. */
export type Severity = "error" | "warning" | "info";
