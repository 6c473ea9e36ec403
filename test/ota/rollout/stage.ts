// One device that hears of others, for tests of the core: events go in one after the other, and what it would do comes out.

import { hashOf } from "../../../ota/rollout/ranking.ts";
import { type RolloutStatus, statusOf } from "../../../ota/rollout/report.ts";
import { step } from "../../../ota/rollout/step.ts";
import {
  type Effect,
  type Event,
  emptyView,
  type Hold,
  type KnownOrder,
  type Member,
  type Order,
  type Result,
  type View,
} from "../../../ota/rollout/view.ts";
import { ownWait } from "../../../ota/rollout/wait.ts";

export const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;
export const rolloutId = "r".repeat(22);
export const [before, after] = ["1.0.0", "1.1.0"];

/** In the order of their ranks, so that `ids[0]` is the canary. */
export const idsOf = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => `device-${at}`).sort((a, b) =>
    hashOf(rolloutId, a) < hashOf(rolloutId, b) ? -1 : 1,
  );

export const orderOf = (change: Partial<Order> = {}): Order => ({
  ...{ rollout: rolloutId, number: 1, state: "running", promoted: 0, release: after, startedAt: 1, soakSeconds: 600 },
  ...{ waves: ["canary", 50, 100], successPercent: 95, maxUnavailable: 1, ...change },
});

export class Stage {
  now: number;
  view: View;
  effects: Effect[] = [];
  members: Map<string, Member>;
  #said = new Map<string, number>();

  constructor(self: string, ids: readonly string[], order?: Partial<Order>) {
    this.now = 1_000_000;
    this.view = { ...emptyView(self, 180, this.now), listenUntilMs: this.now };
    this.members = new Map(ids.map((id) => [id, { id, release: before, tags: [], duties: [] }]));
    this.happen({ kind: "updater", updater: { phase: "free" } });
    this.change({});
    if (order) this.order(order);
  }

  happen(event: Event): Effect[] {
    const [view, effects] = step(this.view, event, this.now);
    this.view = view;
    this.effects.push(...effects);
    return effects;
  }

  after(ms: number): Effect[] {
    this.now += ms;
    return this.happen({ kind: "tick" });
  }

  order(change: Partial<Order> = {}, more: Partial<KnownOrder> = {}, holds: readonly Hold[] = []): Effect[] {
    return this.happen({ kind: "orders", orders: [{ order: orderOf(change), operators: ["owner"], ...more }], holds });
  }

  change(changes: Record<string, Partial<Member>>): Effect[] {
    for (const [id, change] of Object.entries(changes)) this.members.set(id, { ...this.members.get(id)!, ...change });
    return this.happen({ kind: "members", members: [...this.members.values()] });
  }

  says(device: string, outcome: Result["outcome"], more: Partial<Result> = {}): Effect[] {
    const said = (this.#said.get(device) ?? 0) + 1;
    this.#said.set(device, said);
    if (outcome === "updated") this.change({ [device]: { release: after, absentSinceMs: undefined } });
    const result = { device, said, rollout: rolloutId, order: 1, release: after, outcome, ...more };
    return this.happen({ kind: "result", result: { ...result, ...(outcome === "began" && { trialSeconds: 180 }) } });
  }

  prepare(): Effect[] {
    return this.happen({ kind: "updater", updater: { phase: "ready", release: after } });
  }

  wait() {
    return ownWait(this.view, this.now);
  }

  status(): RolloutStatus {
    return statusOf(this.view, this.now)!;
  }
}
