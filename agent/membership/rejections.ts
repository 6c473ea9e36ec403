// Whom the root has turned away for a day: such a device neither waits nor becomes a member. Members stay.
// Pure.

import { deviceIdOf } from "../../provisioning/trust/names.ts";
import { isRejectedAt } from "../../provisioning/trust/rejection.ts";
import type { Rejected, State, Step } from "./state.ts";

/** As many as may wait, four times over. */
const mostRejections = 64;

const isLater = (one: Rejected, other: Rejected): boolean =>
  one.rejection.issuedAt > other.rejection.issuedAt ||
  (one.rejection.issuedAt === other.rejection.issuedAt && one.jws > other.jws);

/** The latest of each device that still count, by its id. */
export function addRejections(
  known: State["rejections"],
  more: readonly Rejected[],
  nowMs: number,
): State["rejections"] {
  const all = new Map(known);
  for (const one of more) {
    const id = deviceIdOf(one.rejection.deviceKey);
    const before = all.get(id);
    if (isRejectedAt(one.rejection, nowMs) && (!before || isLater(one, before))) all.set(id, one);
  }
  const latest = [...lasting(all, nowMs)];
  latest.sort(([, one], [, other]) => (isLater(one, other) ? -1 : 1));
  const kept = latest.slice(0, mostRejections);
  // One that finds no room is no news, however often somebody tells of it.
  return kept.every(([id, { jws }]) => known.get(id)?.jws === jws) ? known : new Map(kept);
}

/** Without those whose day is over. */
export const lasting = (rejections: State["rejections"], nowMs: number): State["rejections"] =>
  new Map([...rejections].filter(([, { rejection }]) => isRejectedAt(rejection, nowMs)));

/** What counts now, when the root signed it, by the device's id. */
export const rejectedAt = (rejections: State["rejections"], nowMs: number): ReadonlyMap<string, number> =>
  new Map([...lasting(rejections, nowMs)].map(([id, { rejection }]) => [id, rejection.issuedAt]));

export function takeRejections(state: State, rejected: readonly Rejected[], nowMs: number): Step {
  const rejections = addRejections(state.rejections, rejected, nowMs);
  if (rejections === state.rejections) return [state, []];
  const pending = new Map([...state.pending].filter(([id]) => !rejections.has(id)));
  const gone = [...state.pending.values()].filter(({ id }) => !pending.has(id)).map(({ name }) => name);
  const text = `the root turns away ${gone.join(", ") || "a device"} for a day`;
  return [
    { ...state, rejections, pending },
    [
      { kind: "save", file: "rejections" },
      { kind: "log", level: "info", text },
    ],
  ];
}
