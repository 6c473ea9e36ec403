// When a virtual neighborhood is up, and when nothing is left to come. Pure.
import type { LabStatus } from "./status.ts";

/** Whoever touches a lab while this is so spoils what would be saved of it. */
export const isSavePending = ({ start }: Pick<LabStatus, "start">): boolean =>
  start.saving === "waiting" || start.saving === "saving";

type Devices = Pick<LabStatus, "devices">;

export const isUp = ({ devices }: Devices): boolean => devices.every((device) => device.state === "alive");

/** Every device has a handshake with every other, its metrics have reached another, and another's have reached it. */
export const isWhole = ({ devices }: Devices): boolean =>
  isUp({ devices }) &&
  devices.every(({ handshakes, telemetry, reached }) => {
    const isHeard = devices.length === 1 || (telemetry && reached.telemetry !== undefined);
    return isHeard && handshakes >= devices.length - 1;
  });
