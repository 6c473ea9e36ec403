// A release that takes itself to homes without an operator: what each device makes of the publisher's policy, and what takes its place.
import { expect, test } from "vitest";
import { autoId, autoOrder, isAutoId, withAuto } from "../../../ota/rollout/auto.ts";
import { hashOf } from "../../../ota/rollout/ranking.ts";
import type { KnownOrder } from "../../../ota/rollout/view.ts";
import type { AutoRelease, RolloutPolicy } from "../../../provisioning/trust/rollout-policy.ts";
import { after, before, hourMs, minuteMs, orderOf, Stage } from "./stage.ts";

const policy: RolloutPolicy = {
  ...{ kind: "auto", waves: ["canary", 100], soakSeconds: 600, successPercent: 95, maxFailures: 1 },
  window: "02:00-05:00",
};
const auto: AutoRelease = { release: after, policy, publisher: "5f".repeat(16) };
const [taking, refusing] = [
  { isRefused: false, hasZone: false },
  { isRefused: true, hasZone: false },
];
const rollout = autoId(auto);
const byRank = (count: number) =>
  Array.from({ length: count }, (_, at) => `device-${at}`).sort((a, b) =>
    hashOf(rollout, a) < hashOf(rollout, b) ? -1 : 1,
  );
const ids = byRank(4);
const [canary = "", second = "", third = ""] = ids;
const takes = (stage: Stage, here = taking, more: Partial<AutoRelease> = {}) =>
  stage.happen({ kind: "orders", orders: withAuto([], { ...auto, ...more }, here), holds: [] });
const word = { rollout };
const owned = (change: Partial<KnownOrder["order"]>): KnownOrder => ({ order: orderOf(change), operators: ["owner"] });

test("all devices derive the same rollout, whatever board they are, and another one for each release and each policy", () => {
  expect(rollout).toMatch(/^auto[\w-]{18}$/);
  expect(autoId({ release: after, policy: { ...policy } })).toBe(rollout);
  expect(autoOrder({ ...auto, publisher: "another root of theirs" }, taking).order.rollout).toBe(rollout);
  const others = [
    { release: "1.2.0", policy },
    { release: after, policy: { ...policy, soakSeconds: 601 } },
  ];
  expect(new Set([rollout, ...others.map(autoId)]).size).toBe(3);
});

test("the canary goes first and soaks, as if an operator had ordered it, and it says who is behind it", () => {
  const stage = new Stage(second, ids);
  takes(stage);
  expect(stage.wait()).toMatchObject({ on: "wave", devices: [canary] });
  expect(stage.status()).toMatchObject({ operators: [], auto: { publisher: auto.publisher, window: "02:00-05:00" } });
  stage.says(canary, "updated", word);
  expect(stage.after(10 * minuteMs)).toEqual([{ kind: "prepare", release: after }]);
});

test("the publisher's hours are those of a device that knows its time zone, and any hour is right for one that does not", () => {
  const stage = new Stage(canary, ids);
  stage.happen({ kind: "clock", moment: { atMs: stage.now, wallMs: 5, minute: 12 * 60 } });
  takes(stage, { isRefused: false, hasZone: true });
  stage.prepare();
  expect(stage.wait()).toMatchObject({ on: "window", window: "02:00-05:00" });
  expect(stage.status().auto).toMatchObject({ hasZone: true });
  expect(takes(stage)).toEqual([{ kind: "askLease" }]);
  expect(stage.status().auto).toMatchObject({ hasZone: false, window: "02:00-05:00" });
});

test("a release that fails stops at the canary, and only a newer one goes on by itself", () => {
  const stage = new Stage(second, ids);
  takes(stage);
  stage.says(canary, "failed", { ...word, check: "trial.meshDown" });
  expect(stage.status()).toMatchObject({ state: "paused", waits: { on: "failures", devices: [canary] } });
  expect(stage.after(1_000 * hourMs)).toEqual([]);
  takes(stage);
  expect(stage.status()).toMatchObject({ state: "paused" });
  takes(stage, taking, { release: "1.2.0" });
  expect(stage.status()).toMatchObject({ release: "1.2.0", state: "running", failed: 0 });
});

test("a device whose owner wants none says so, is passed over by all, and follows an operator all the same", () => {
  const stage = new Stage(canary, ids);
  expect(takes(stage, refusing)).toMatchObject([
    { kind: "publish", result: { rollout, outcome: "unfit", check: "update.autoOff" } },
  ]);
  expect(stage.after(hourMs)).toEqual([]);
  const other = new Stage(second, ids);
  takes(other);
  other.says(canary, "unfit", { ...word, check: "update.autoOff" });
  expect(other.status().members.at(-1)).toMatchObject({ id: canary, standing: "unfit", check: "update.autoOff" });
  expect(other.effects).toEqual([{ kind: "prepare", release: after }]);
  const { order } = autoOrder(auto, refusing);
  const { auto: _, ...taken } = order;
  const ordered = withAuto([{ order: { ...taken, number: 2 }, operators: ["owner"] }], auto, refusing);
  expect(stage.happen({ kind: "orders", orders: ordered, holds: [] })).toEqual([{ kind: "prepare", release: after }]);
});

test("a device whose owner wants it after all begins", () => {
  const stage = new Stage(canary, ids);
  takes(stage, refusing);
  expect(takes(stage)).toEqual([{ kind: "prepare", release: after }]);
});

test("who has not seen the release is waited for, and passed over once nobody has said anything for two days", () => {
  const stage = new Stage(second, ids);
  takes(stage);
  expect(stage.after(47 * hourMs)).toEqual([]);
  expect(stage.wait()).toMatchObject({ on: "wave", devices: [canary] });
  expect(stage.after(hourMs)).toEqual([{ kind: "prepare", release: after }]);
  expect(stage.status().members.find(({ id }) => id === canary)).toMatchObject({
    standing: "silent",
    waits: { on: "word", device: canary },
  });
});

test("the two days begin anew with each word and when a hold ends, and count for whoever was ordered as well", () => {
  const stage = new Stage(third, ids);
  takes(stage);
  stage.after(40 * hourMs);
  stage.says(canary, "updated", word);
  stage.after(40 * hourMs);
  expect(stage.status().members.map(({ standing }) => standing)).not.toContain("silent");
  const hold = { device: "all", untilWallMs: 10 ** 12, lastsMs: 10 ** 12, reason: "a party" } as const;
  stage.happen({ kind: "orders", orders: withAuto([], auto, taking), holds: [hold] });
  stage.after(90 * hourMs);
  takes(stage);
  expect(stage.status().members.map(({ standing }) => standing)).not.toContain("silent");
  const ordered = new Stage(third, ids, { rollout });
  ordered.after(47 * hourMs);
  expect(ordered.status().members.map(({ standing }) => standing)).not.toContain("silent");
  ordered.after(hourMs);
  expect(ordered.status().members.map(({ standing }) => standing)).toContain("silent");
});

test("where an operator has ever started a rollout nothing comes by itself", () => {
  const ordered = [owned({ release: before, state: "aborted" })];
  expect(withAuto(ordered, auto, taking)).toBe(ordered);
});

test("an operator's word on what came by itself counts for that release and all before, until a newer one comes", () => {
  const aborted = [owned({ rollout, number: 2, state: "aborted" })];
  expect(withAuto(aborted, auto, taking)).toBe(aborted);
  expect(withAuto(aborted, { ...auto, release: "1.0.5" }, taking)).toBe(aborted);
  const [next, ...more] = withAuto(aborted, { ...auto, release: "1.2.0" }, taking);
  expect(next).toMatchObject({ order: { release: "1.2.0", number: 1 }, operators: [] });
  expect(more).toEqual([]);
  expect(isAutoId(next!.order.rollout)).toBe(true);
});

test("without a release that takes itself there, what operators have ordered is all there is", () => {
  const ordered = [owned({})];
  expect(withAuto(ordered, undefined, taking)).toBe(ordered);
  expect(withAuto([], undefined, taking)).toEqual([]);
});

test("who is passed over in silence leaves the waves as large as they were, and nobody is silent while a wave soaks", () => {
  const many = byRank(20);
  const wide = {
    ...auto,
    policy: { ...policy, waves: ["canary", 10, 50, 100], soakSeconds: 4 * 86_400 },
  } as AutoRelease;
  const order = autoOrder(wide, taking);
  const ranked = [...many].sort((a, b) => (hashOf(order.order.rollout, a) < hashOf(order.order.rollout, b) ? -1 : 1));
  const stage = new Stage(ranked[15]!, ranked);
  stage.happen({ kind: "orders", orders: [order], holds: [] });
  stage.says(ranked[0]!, "updated", { rollout: order.order.rollout });
  for (let hours = 0; hours < 90; hours++) stage.after(hourMs);
  expect(stage.status().members.map(({ standing }) => standing)).not.toContain("silent");
  for (let hours = 0; hours < 60; hours++) stage.after(hourMs);
  // The second of the ten percent says nothing, so another takes its place: one, and then the wave soaks.
  expect(stage.status().wave).toBe(1);
  const other = ranked[18]!;
  stage.says(other, "updated", { rollout: order.order.rollout });
  stage.effects = [];
  for (let hours = 0; hours < 90; hours++) stage.after(hourMs);
  expect(stage.status().wave).toBe(1);
  expect(stage.effects.filter(({ kind }) => kind === "askLease")).toEqual([]);
});

test("a device that only ever says that it has stayed is passed over too", () => {
  const stage = new Stage(second, ids);
  takes(stage);
  for (let days = 0; days < 3; days++) {
    stage.says(canary, "stayed", word);
    stage.after(24 * hourMs);
  }
  expect(stage.status().members.find(({ id }) => id === canary)).toMatchObject({ standing: "silent" });
  expect(stage.effects).toContainEqual({ kind: "prepare", release: after });
});

test("where nobody wants a release unasked no wave ends, so that an operator who takes it over begins with a canary", () => {
  const stage = new Stage(second, ids);
  takes(stage, refusing);
  for (const id of ids) stage.says(id, "unfit", { ...word, check: "update.autoOff" });
  stage.after(hourMs);
  const { auto: _, ...taken } = autoOrder(auto, refusing).order;
  stage.happen({ kind: "orders", orders: [{ order: { ...taken, number: 2 }, operators: ["owner"] }], holds: [] });
  stage.says(canary, "updated", { ...word, order: 2 });
  expect(stage.status()).toMatchObject({ state: "running", wave: 0, waits: { on: "soak" } });
});
