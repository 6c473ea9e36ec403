// What the core of a rollout has to know of the rest of the agent, in its words.
// Pure.
import type { Ended, Hold, KnownOrder, Member, SignedRoot, Updater } from "../../ota/rollout/view.ts";
import type { UpdateReport } from "../../provisioning/handover/update.ts";
import { readUnverified } from "../../provisioning/trust/jws.ts";
import type { RolloutOrder } from "../../provisioning/trust/rollout-orders.ts";
import { TokenCertificate } from "../../provisioning/trust/token.ts";
import type { Liveness } from "../cluster/cluster.ts";
import type { Member as KnownMember } from "../membership/state.ts";
import type { HoldOrder } from "../orders/orders.ts";

export const ordersOf = (rollouts: readonly RolloutOrder[]): KnownOrder[] =>
  rollouts.map(({ rollout, state, because, operators }) => ({ order: { ...rollout, state }, operators, because }));

export const holdsOf = (holds: readonly HoldOrder[]): Hold[] =>
  holds.map(({ hold: { device, until, issuedAt, reason } }) => ({
    ...{ device, untilWallMs: until, lastsMs: Math.max(0, until - issuedAt), reason },
  }));

/** `hasUpdater`: this machine was started from a Hamlet image. */
export function updaterOf(report: UpdateReport | undefined, hasUpdater: boolean): Updater {
  if (!hasUpdater) return { phase: "none" };
  if (!report) return { phase: "silent" };
  const { activity } = report;
  switch (activity.phase) {
    case "idle":
      return { phase: "free" };
    case "checking":
      return { phase: "busy" };
    case "writing":
    case "verifying": {
      const { version: release, doneBytes, totalBytes } = activity;
      return { phase: "preparing", release, doneBytes, totalBytes };
    }
    case "ready": {
      const { version: release, because } = activity;
      return because
        ? { phase: "refusing", release, code: because.code, isFinal: true, isReady: true }
        : { phase: "ready", release };
    }
    case "restarting":
    case "trying":
      return { phase: activity.phase, release: activity.version };
    case "waiting": {
      const { version: release, because, againAtMs } = activity;
      return { phase: "refusing", release, code: because.code, isFinal: againAtMs === undefined };
    }
  }
}

export function endedOf(report: UpdateReport | undefined): Ended | undefined {
  const [last] = report?.history ?? [];
  if (!last) return undefined;
  const { from, to, outcome, check, atMs } = last;
  return { from, to, outcome, check, atWallMs: atMs };
}

export const rootsOf = (report: UpdateReport | undefined): SignedRoot[] =>
  (report?.verified ?? []).map(({ version: release, rootHash }) => ({ release, rootHash }));

export type Seen = {
  self: { id: string; release: string; board: string; tags: readonly string[] };
  members: Iterable<KnownMember>;
  liveness: ReadonlyMap<string, Liveness>;
  /** Devices that an operator has given up. */
  forgotten: ReadonlySet<string>;
  /** Since when this device looks for others. */
  openedAtMs: number;
  nowMs: number;
  wallMs: number;
};

/** This device and the others. Whoever this device has not heard since it started counts as absent from then on. */
export function membersOf({ self, members, liveness, forgotten, openedAtMs, nowMs, wallMs }: Seen): Member[] {
  const others = [...members].map(({ record: { id, release, board, token }, absentMs }): Member => {
    const live = liveness.get(id);
    const what = { id, release, board, ...placeOf(tagsOf(token)) };
    if (live?.state === "alive" || live?.state === "suspect") return what;
    const sinceMs = live ? nowMs - Math.max(0, wallMs - live.since) : openedAtMs;
    const absentSinceMs = Math.min(sinceMs, nowMs - absentMs);
    return { ...what, absentSinceMs, hasLeft: live?.state === "left" || forgotten.has(id) };
  });
  const { id, release, board, tags } = self;
  return [{ id, release, board, ...placeOf(tags) }, ...others];
}

/** What a device does for others, as its owner has marked it. */
const duties = ["relay", "gateway", "uplink"] as const;
const placeOf = (tags: readonly string[]) => ({ tags, duties: duties.filter((duty) => tags.includes(duty)) });

const tagged = new Map<string, readonly string[]>();

/** The record was verified, and the token in it. */
export function tagsOf(token: string): readonly string[] {
  const known = tagged.get(token);
  if (known) return known;
  if (tagged.size >= 1_024) tagged.clear();
  const { tags } = readUnverified("hamlet-token", token, TokenCertificate);
  tagged.set(token, tags);
  return tags;
}
