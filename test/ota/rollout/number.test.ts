// A resumed rollout forgives the failures that its operator could see, and no others.
import { expect, test } from "vitest";
import { KeptView, keptOf, restored } from "../../../ota/rollout/kept.ts";
import { listenMs } from "../../../ota/rollout/view.ts";
import { after, before, hourMs, idsOf, minuteMs, orderOf, rolloutId, Stage } from "./stage.ts";

const ids = idsOf(4);
const [canary = "", second = "", third = ""] = ids;
const terms = { maxFailures: 1, successPercent: 100 };
const failedTrial = { from: before, to: after, outcome: "failed", check: "trial.meshDown", atWallMs: 5 } as const;

function restart(stage: Stage): void {
  const kept = KeptView.parse(JSON.parse(JSON.stringify(keptOf(stage.view, stage.now))));
  stage.now = 77_000;
  stage.view = restored(kept, stage.view.self, 180, stage.now);
  stage.happen({ kind: "updater", updater: { phase: "free" } });
  stage.change({});
}

test.each(["stays on", "restarts too"])(
  "who was away when the rollout was resumed, and does not come back, stops it at a member that %s",
  (what) => {
    const stage = new Stage(second, ids, terms);
    stage.says(canary, "began");
    stage.change({ [canary]: { absentSinceMs: stage.now } });
    stage.after(2 * minuteMs);
    stage.order({ ...terms, number: 2, state: "paused" });
    stage.after(minuteMs);
    stage.order({ ...terms, number: 3 });
    if (what === "restarts too") {
      restart(stage);
      stage.order({ ...terms, number: 3 });
    }
    stage.after(11 * minuteMs);
    expect(stage.status()).toMatchObject({ state: "paused", waits: { on: "failures", devices: [canary] } });
    stage.after(24 * hourMs);
    expect(stage.effects.filter(({ kind }) => kind === "prepare")).toEqual([]);
  },
);

test.each([
  ["before", 0],
  ["after", 1],
])("within one millisecond only a failure that came before the newer number is forgiven: %s", (_, isLater) => {
  const stage = new Stage(third, ids, terms);
  const tell = [
    () => stage.says(canary, "failed", { check: "trial.meshDown" }),
    () => stage.order({ ...terms, number: 2 }),
  ];
  for (const act of isLater ? tell.reverse() : tell) act();
  expect(stage.status()).toMatchObject({ state: isLater ? "paused" : "running", failed: 1 });
  restart(stage);
  stage.order({ ...terms, number: 2 });
  stage.after(listenMs);
  expect(stage.status()).toMatchObject({ state: isLater ? "paused" : "running", failed: 1 });
});

test("who is not back in time at the very moment of the newer number was not known to have failed", () => {
  const stage = new Stage(second, ids, terms);
  stage.says(canary, "began");
  stage.now += 13 * minuteMs;
  stage.order({ ...terms, number: 2 });
  expect(stage.status()).toMatchObject({ state: "paused", waits: { on: "failures", devices: [canary] } });
});

test("a failure under the number before the one of a promotion stops the rollout, if nobody knew of it then", () => {
  const stage = new Stage(third, ids, terms);
  stage.says(canary, "updated");
  stage.after(10 * minuteMs);
  stage.says(second, "began");
  stage.order({ ...terms, number: 2, promoted: 2 });
  stage.after(1_000);
  stage.says(second, "failed", { check: "trial.meshDown" });
  expect(stage.status()).toMatchObject({ state: "paused", waits: { on: "failures", devices: [second] } });
});

test("a success that is taken back after the rollout was resumed stops it again", () => {
  const stage = new Stage(third, ids, terms);
  stage.says(canary, "updated");
  stage.after(minuteMs);
  stage.order({ ...terms, number: 3 });
  stage.after(minuteMs);
  stage.says(canary, "fellBack", { check: "slot.panics" });
  expect(stage.status()).toMatchObject({ state: "paused", waits: { on: "failures", devices: [canary] } });
});

test("a device that comes back tells of its failure under the newest number, once it has heard that", () => {
  const stage = new Stage(canary, ids, terms);
  stage.prepare();
  stage.happen({ kind: "granted" });
  restart(stage);
  stage.order(terms);
  expect(stage.happen({ kind: "updater", updater: { phase: "free" }, ended: failedTrial })).toEqual([]);
  stage.after(20_000);
  stage.order({ ...terms, number: 3 });
  expect(stage.after(listenMs - 20_000)[0]).toMatchObject({ result: { outcome: "failed", order: 3 } });
});

test("a device that leaves the release again says so under the newest number", () => {
  const stage = new Stage(canary, ids, terms);
  stage.says(canary, "updated");
  stage.order({ ...terms, number: 3 });
  stage.change({ [canary]: { release: before } });
  const ended = { from: after, to: before, outcome: "rescued", check: "slot.panics", atWallMs: 9 } as const;
  expect(stage.happen({ kind: "updater", updater: { phase: "free" }, ended })).toMatchObject([
    { kind: "publish", result: { outcome: "fellBack", order: 3 } },
  ]);
});

test("whoever was away learns of the failure and of its number together, and goes on with the others", () => {
  const stage = new Stage(second, ids);
  stage.view = { ...stage.view, listenUntilMs: stage.now + listenMs };
  stage.order({ ...terms, number: 3 });
  stage.after(1_000);
  stage.says(canary, "failed", { check: "trial.meshDown" });
  expect(stage.after(listenMs)).toEqual([{ kind: "prepare", release: after }]);
  // Also with what the release before has kept, which knows nothing of when it heard the number.
  const { heard: _, ...progress } = keptOf(stage.view, stage.now).progress[0]!;
  const view = restored({ ...keptOf(stage.view, stage.now), progress: [progress] }, second, 180, 77_000);
  stage.now = 77_000;
  stage.view = { ...view, orders: [{ order: orderOf({ ...terms, number: 3 }), operators: ["owner"] }] };
  stage.change({});
  stage.after(listenMs);
  expect(stage.status()).toMatchObject({ rollout: rolloutId, state: "running" });
});
