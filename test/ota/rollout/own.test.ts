// A device's own restart in a rollout: given up, late, in doubt, and what of it outlives the restart.
import { expect, test } from "vitest";
import { isKeptAlike, keptOf, restored } from "../../../ota/rollout/kept.ts";
import { dueAtMs } from "../../../ota/rollout/step.ts";
import { after, before, hourMs, idsOf, minuteMs, rolloutId, Stage } from "./stage.ts";

const ids = idsOf(4);
const [canary = "", second = "", , last = ""] = ids;
const ask = { kind: "askLease" };

test("a trial that power ended says nothing of the release: the device waits for its turn again", () => {
  const stage = new Stage(canary, ids, {});
  stage.prepare();
  stage.happen({ kind: "granted" });
  const ended = { from: before, to: after, outcome: "void", check: "trial.ended", atWallMs: 5 } as const;
  const effects = stage.happen({ kind: "updater", updater: { phase: "ready", release: after }, ended });
  expect(effects).toMatchObject([{ kind: "publish", result: { outcome: "stayed" } }, { kind: "releaseLease" }, ask]);
  expect(stage.status()).toMatchObject({ state: "running", failed: 0 });
});

test("an updater that does not take the restart makes no failure", () => {
  const stage = new Stage(canary, ids, {});
  stage.prepare();
  stage.happen({ kind: "granted" });
  stage.after(2 * minuteMs - 1);
  expect(stage.view.own.step).toBe("away");
  expect(stage.after(1)).toMatchObject([
    { kind: "publish", result: { outcome: "stayed" } },
    { kind: "releaseLease" },
    ask,
  ]);
});

test("a restart that was not asked for in time is given up at once; once asked for, the end of the lease changes nothing", () => {
  const stage = new Stage(canary, ids, {});
  stage.prepare();
  stage.happen({ kind: "granted" });
  expect(stage.happen({ kind: "leaseLost" })).toEqual([]);
  expect(stage.happen({ kind: "unasked" })).toMatchObject([
    { kind: "publish", result: { outcome: "stayed" } },
    { kind: "releaseLease" },
    ask,
  ]);
  expect(stage.happen({ kind: "unasked" })).toEqual([]);
});

test.each([
  ["fails", { phase: "ready", release: after } as const],
  ["ends with the power before the trial is armed", { phase: "free" } as const],
])("a restart that %s is given up, and asked for again", (_, updater) => {
  const stage = new Stage(canary, ids, {});
  stage.prepare();
  stage.happen({ kind: "granted" });
  stage.now += minuteMs;
  stage.happen({ kind: "updater", updater: { phase: "restarting", release: after } });
  stage.now += minuteMs;
  expect(stage.happen({ kind: "updater", updater })).toEqual([]);
  expect(stage.after(minuteMs - 1)).toEqual([]);
  expect(stage.after(1)).toMatchObject([
    { kind: "publish", result: { outcome: "stayed" } },
    { kind: "releaseLease" },
    { kind: updater.phase === "ready" ? "askLease" : "prepare" },
  ]);
});

test.each([{ phase: "busy" } as const, { phase: "preparing", release: after, doneBytes: 1, totalBytes: 2 } as const])(
  "an updater that is $phase may restart once it is done, so the lease stays",
  (updater) => {
    const stage = new Stage(canary, ids, {});
    stage.prepare();
    stage.happen({ kind: "granted" });
    stage.now += minuteMs;
    stage.happen({ kind: "updater", updater });
    expect(stage.after(9 * minuteMs)).toEqual([]);
    expect(stage.prepare()).toEqual([]);
    expect(stage.after(2 * minuteMs)).toMatchObject([
      { kind: "publish", result: { outcome: "stayed" } },
      { kind: "releaseLease" },
      ask,
    ]);
  },
);

test("an updater that falls silent may still restart, and keeps the lease from the others for a day at most", () => {
  const stage = new Stage(canary, ids, {});
  stage.prepare();
  stage.happen({ kind: "granted" });
  stage.happen({ kind: "updater", updater: { phase: "silent" } });
  expect(stage.after(24 * hourMs - 1)).toEqual([]);
  expect(dueAtMs(stage.view, stage.now)).toBe(stage.now + 1);
  expect(stage.after(1)).toMatchObject([
    { kind: "publish", result: { outcome: "stayed", check: "update.noUpdater" } },
    { kind: "releaseLease" },
  ]);
});

test("a restart that was given up and comes all the same counts", () => {
  const stage = new Stage(canary, ids, {});
  stage.prepare();
  stage.happen({ kind: "granted" });
  stage.happen({ kind: "updater", updater: { phase: "free" } });
  expect(stage.after(2 * minuteMs)[0]).toMatchObject({ kind: "publish", result: { outcome: "stayed" } });
  stage.change({ [canary]: { release: after } });
  const ended = { from: before, to: after, outcome: "committed", atWallMs: 1 } as const;
  expect(stage.happen({ kind: "updater", updater: { phase: "free" }, ended })).toMatchObject([
    { kind: "publish", result: { outcome: "updated", release: after } },
  ]);
  expect(stage.status()).toMatchObject({ updated: 1, total: ids.length });
});

test("a trial in doubt is still one", () => {
  const stage = new Stage(canary, ids, {});
  stage.prepare();
  stage.happen({ kind: "granted" });
  const updater = { phase: "refusing", release: after, code: "trial.meshDown", isFinal: false } as const;
  stage.happen({ kind: "updater", updater });
  expect(stage.after(9 * minuteMs)).toEqual([]);
  expect(stage.view.own.step).toBe("away");
});

test("a device that has just started listens first", () => {
  const stage = new Stage(canary, ids);
  stage.view = { ...stage.view, listenUntilMs: stage.now + 35_000 };
  stage.order({});
  expect(stage.effects).toEqual([]);
  expect(stage.after(35_000)).toEqual([{ kind: "prepare", release: after }]);
});

test("own step, waves, pauses and soaks outlive a restart; the time off only makes a soak longer", () => {
  const stage = new Stage(second, ids, {});
  stage.says(canary, "updated");
  stage.after(4 * minuteMs);
  const kept = JSON.parse(JSON.stringify(keptOf(stage.view, stage.now)));
  stage.now = 77_000;
  stage.view = { ...restored(kept, second, 180, stage.now), listenUntilMs: stage.now };
  stage.happen({ kind: "updater", updater: { phase: "free" } });
  stage.change({});
  stage.order({});
  expect(stage.wait()).toMatchObject({ on: "soak", untilMs: stage.now + 6 * minuteMs });

  const away = new Stage(canary, ids, {});
  away.prepare();
  away.happen({ kind: "granted" });
  const again = restored(JSON.parse(JSON.stringify(keptOf(away.view, away.now))), canary, 180, 5);
  expect(again.own).toMatchObject({ step: "away", rollout: rolloutId, release: after });
});

test("an absence alone is nothing to save, and delays a rollout only while that runs", () => {
  const stage = new Stage(second, ids, {});
  stage.change({ [last]: { absentSinceMs: stage.now } });
  stage.after(minuteMs);
  const delayed = () => stage.view.progress.get(rolloutId)?.delayedMs;
  const [earlier, before] = [stage.view, delayed()];
  stage.after(minuteMs);
  expect(delayed()).toBe(before! + minuteMs);
  expect(isKeptAlike(stage.view, earlier)).toBe(true);
  stage.says(canary, "updated");
  expect(isKeptAlike(stage.view, earlier)).toBe(false);
  stage.order({ number: 2, state: "paused" });
  stage.after(minuteMs);
  expect(delayed()).toBe(before! + minuteMs);
});
