// Whatever waits says since when, and a later look shows the same beginning.
import { expect, test } from "vitest";
import { KeptView, keptOf, restored } from "../../../ota/rollout/kept.ts";
import { listenMs } from "../../../ota/rollout/view.ts";
import { after, hourMs, idsOf, minuteMs, rolloutId, Stage } from "./stage.ts";

const ids = idsOf(4);
const [canary = "", second = "", third = "", last = ""] = ids;
const clock = (stage: Stage, minute = 0) =>
  stage.happen({ kind: "clock", moment: { atMs: stage.now, wallMs: stage.now, minute } });
const preparing = (doneBytes: number) => ({ phase: "preparing", release: after, doneBytes, totalBytes: 100 }) as const;

/** The stage looks at its own wait now and later: other events come between. */
function expectSince(stage: Stage, on: string, sinceMs: number, look = () => stage.wait()): void {
  for (let minutes = 0; minutes < 3; minutes++) {
    expect(look()).toMatchObject({ on, sinceMs });
    stage.now += 1_234;
    expect(look()).toMatchObject({ on, sinceMs });
    stage.after(minuteMs);
  }
}

test("bytes: since the release was first asked for, however often it is asked for again", () => {
  const stage = new Stage(canary, ids);
  stage.after(hourMs);
  const sinceMs = stage.now;
  stage.order();
  for (const doneBytes of [1, 2, 3]) {
    expectSince(stage, "bytes", sinceMs);
    stage.happen({ kind: "updater", updater: preparing(doneBytes) });
  }
});

test("bytes that somebody else had asked for: since this rollout waits for them", () => {
  const stage = new Stage(canary, ids);
  stage.happen({ kind: "updater", updater: preparing(1) });
  stage.after(hourMs);
  stage.happen({ kind: "updater", updater: preparing(2) });
  stage.order();
  expectSince(stage, "bytes", stage.now);
});

test("window: since it was all that was left to wait for, and anew in the next night", () => {
  const stage = new Stage(canary, ids);
  clock(stage);
  stage.order({ window: "02:00-03:00" });
  stage.prepare();
  expectSince(stage, "window", stage.now);
  stage.happen({ kind: "denied", by: "noMajority" });
  stage.after(2 * hourMs);
  stage.after(hourMs);
  expectSince(stage, "window", stage.now);
});

test("news: since this device has started", () => {
  const stage = new Stage(canary, ids);
  const startedMs = stage.now;
  stage.view = { ...stage.view, listenUntilMs: startedMs + listenMs };
  stage.order();
  stage.prepare();
  stage.after(20_000);
  expect(stage.wait()).toMatchObject({ on: "news", sinceMs: startedMs, untilMs: startedMs + listenMs });
});

test("a pause by operators: since this device heard of it, after a restart too", () => {
  const stage = new Stage(second, ids, {});
  stage.after(hourMs);
  const pausedMs = stage.now;
  stage.order({ number: 2, state: "paused" });
  expectSince(stage, "operator", pausedMs);
  stage.order({ number: 2, state: "paused" });
  expectSince(stage, "operator", pausedMs);
  const lastsMs = stage.now - pausedMs;
  const kept = KeptView.parse(JSON.parse(JSON.stringify(keptOf(stage.view, stage.now))));
  stage.now = 77_000;
  stage.view = restored(kept, second, 180, stage.now);
  stage.change({});
  stage.order({ number: 2, state: "paused" });
  stage.after(listenMs);
  expect(stage.wait()).toMatchObject({ on: "operator", sinceMs: 77_000 - lastsMs });
});

test("a pause because an operator was revoked: since this device heard of that, not of the order", () => {
  const stage = new Stage(second, ids, {});
  stage.after(hourMs);
  const revokedMs = stage.now;
  for (let again = 0; again < 2; again++) {
    stage.order({ state: "paused" }, { because: "operatorRevoked" });
    expectSince(stage, "operator", revokedMs);
  }
});

test("failures of which none is left: since the rollout stopped, after a restart too", () => {
  const stage = new Stage(second, ids, { maxFailures: 1 });
  stage.after(hourMs);
  const stoppedMs = stage.now;
  stage.says(canary, "failed", { check: "trial.meshDown" });
  stage.after(minuteMs);
  stage.says(canary, "updated");
  expectSince(stage, "failures", stoppedMs);
  expect(stage.wait()).toMatchObject({ devices: [] });
  const kept = KeptView.parse(JSON.parse(JSON.stringify(keptOf(stage.view, stage.now))));
  const lastsMs = stage.now - stoppedMs;
  const view = restored(kept, second, 180, 77_000);
  expect(view.progress.get(rolloutId)).toMatchObject({ pausedSinceMs: 77_000 - lastsMs });
});

test("a hold: since this device heard of it, not since the wave began", () => {
  const stage = new Stage(canary, ids, {});
  clock(stage);
  stage.after(hourMs);
  const holds = [{ device: canary, untilWallMs: stage.now + 9 * hourMs, lastsMs: 9 * hourMs, reason: "film" }];
  stage.order({}, {}, holds);
  expectSince(stage, "hold", stage.now);
});

test("nobody is left to begin with: since the one that is waited for went", () => {
  const stage = new Stage(last, ids);
  const awayMs = stage.now - 25 * hourMs;
  clock(stage);
  stage.change({ ...Object.fromEntries(ids.map((id) => [id, { release: after }])) });
  stage.change({ [third]: { release: "1.0.0", absentSinceMs: awayMs } });
  stage.order();
  const whole = () => {
    const { waits } = stage.status();
    return waits && { ...waits, sinceMs: waits.since };
  };
  expectSince(stage, "absence", awayMs, whole as () => ReturnType<Stage["wait"]>);
});

test("a lease that was denied yesterday, before the hours ended, is another wait", () => {
  const stage = new Stage(canary, ids, {});
  stage.prepare();
  stage.happen({ kind: "denied", by: "noMajority" });
  const firstMs = stage.now;
  stage.after(10_000);
  stage.happen({ kind: "denied", by: "noMajority" });
  expect(stage.wait()).toMatchObject({ on: "lease", sinceMs: firstMs });
  stage.change({ [last]: { absentSinceMs: stage.now } });
  stage.after(hourMs);
  stage.change({ [last]: { absentSinceMs: undefined } });
  stage.after(minuteMs);
  stage.happen({ kind: "denied", by: "noMajority" });
  expect(stage.wait()).toMatchObject({ on: "lease", sinceMs: stage.now });
});
