// When a virtual neighborhood is up, and when it is complete. Pure.
import type { LabStatus } from "./status.ts";

/** Doing anything with a lab in this phase prevents its saving. */
export const isSavePending = ({ start }: Pick<LabStatus, "start">): boolean =>
  start.saving === "waiting" || start.saving === "saving";

type Devices = Pick<LabStatus, "devices">;

export const isUp = ({ devices }: Devices): boolean => devices.every((device) => device.state === "alive");

/** Every device has a handshake with every other, and has sent metrics to and received metrics from another. */
export const isWhole = ({ devices }: Devices): boolean =>
  isUp({ devices }) &&
  devices.every(({ handshakes, telemetry, reached }) => {
    const isHeard = devices.length === 1 || (telemetry && reached.telemetry !== undefined);
    return isHeard && handshakes >= devices.length - 1;
  });
