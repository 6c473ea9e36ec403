// What an update may cost, as the owner has set it, and when. Only the chunks of a release cost much: checks are always allowed.
// Pure.
import type { UpdateReport } from "../../provisioning/handover/update.ts";
import { HamletError } from "../../system/error.ts";

export type Policy = {
  /** Minutes of the day; the end may lie on the next day. */
  window: { fromMinute: number; toMinute: number } | undefined;
  isMetered: boolean;
  maxBytes: number | undefined;
};
export type Moment = {
  activity: UpdateReport["activity"] | undefined;
  /** Somebody has asked for this update. */
  isAsked: boolean;
  /** Of the day, by the device's clock. */
  minute: number;
};

/** `02:00-05:30` */
export const windowPattern = /^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$/;

export function parseWindow(text: string): NonNullable<Policy["window"]> {
  const [fromMinute = 0, toMinute = 0] = text.split("-").map((time) => {
    const [hours = 0, minutes = 0] = time.split(":").map(Number);
    return hours * 60 + minutes;
  });
  return { fromMinute, toMinute };
}

/**
 * Why no chunk may be fetched now: `update.metered`, `update.outsideWindow` or `update.tooDear`; undefined if it may. What other members
 * bring costs nothing, but an update is for the time of day that the owner has set, as it ends with a restart.
 */
export function costRefusal(
  policy: Policy,
  { activity, isAsked, minute }: Moment,
  from: "members" | "web" = "web",
): HamletError | undefined {
  // Whoever asks for an update wants it now, whatever it costs.
  if (isAsked) return undefined;
  const hint = "to update it now all the same: hamlet update now";
  if (policy.isMetered && from === "web")
    return new HamletError("update.metered", "this device's line is metered", { hint });
  if (policy.window && !isInside(policy.window, minute)) {
    return new HamletError("update.outsideWindow", "it is not the time of day for updates", { hint });
  }
  if (from === "members") return undefined;
  const forecast = activity?.phase === "writing" ? activity.forecastBytes : 0;
  if (policy.maxBytes !== undefined && forecast > policy.maxBytes) {
    const why = `the update would fetch ${forecast} bytes, and ${policy.maxBytes} are allowed`;
    return new HamletError("update.tooDear", why, { hint });
  }
  return undefined;
}

/** Whether other members may use this device's line. */
export const mayServeOthers = ({ window, isMetered, maxBytes }: Policy, minute: number): boolean =>
  !isMetered && maxBytes === undefined && (window === undefined || isInside(window, minute));

/** From 02:00 to 02:00 is a whole day. */
const isInside = ({ fromMinute, toMinute }: NonNullable<Policy["window"]>, minute: number): boolean =>
  fromMinute < toMinute ? minute >= fromMinute && minute < toMinute : minute >= fromMinute || minute < toMinute;
