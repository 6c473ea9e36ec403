// A device that begins, stays and begins again: nobody waits for it without end, and it stops by itself.
import { expect, test } from "vitest";
import { KeptView, keptOf, restored } from "../../../ota/rollout/kept.ts";
import { listenMs, type Result } from "../../../ota/rollout/view.ts";
import { after, hourMs, idsOf, minuteMs, rolloutId, Stage } from "./stage.ts";

const ids = idsOf(3);
const [canary = "", second = ""] = ids;

/** It takes the restart from the others again and again. Returns for how many hours, 30 days at most. */
function flood(stage: Stage, words: (at: number) => readonly [Result["outcome"], Partial<Result>?][]): number {
  const from = stage.now;
  let said = 0;
  const goesOn = () => stage.status().state === "running" && !stage.effects.some(({ kind }) => kind === "prepare");
  for (let at = 0; goesOn() && stage.now - from < 30 * 24 * hourMs; at++) {
    for (const [outcome, more] of words(at)) {
      const word = { device: canary, said: ++said, rollout: rolloutId, order: 1, release: after, outcome, ...more };
      stage.happen({ kind: "result", result: { ...word, ...(outcome === "began" && { trialSeconds: 180 }) } });
      for (let minutes = 0; goesOn() && minutes < 5; minutes++) stage.after(minuteMs);
    }
  }
  return (stage.now - from) / hourMs;
}

const passedOver = { standing: "passedOver", waits: { on: "updater", code: "rollout.noRestart" } };
const failed = { standing: "failed", check: "rollout.notBack" };

test.each<[string, (at: number) => [Result["outcome"], Partial<Result>?][], object]>([
  ["begins and stays", () => [["began"], ["stayed"]], passedOver],
  ["begins and says nothing else, under one number after the other", (at) => [["began", { order: at + 1 }]], failed],
  ["begins and stays under an old number", (at) => [["began", { order: at + 1 }], ["stayed"]], passedOver],
  ["says done, shows the old release and stays", () => [["updated"], ["stayed"]], passedOver],
])("one that %s is waited for some hours, and named", (_, words, end) => {
  const stage = new Stage(second, ids, { number: 2, maxFailures: 1 });
  expect(flood(stage, words)).toBeLessThan(3);
  expect(stage.status().members.find(({ id }) => id === canary)).toMatchObject(end);
});

test("the device itself gives up after eight restarts that did not come, is passed over, and begins once an operator says so", () => {
  const stage = new Stage(canary, ids, {});
  const other = new Stage(second, ids, {});
  stage.prepare();
  let begun = 0;
  const tell = (effects = stage.effects) => {
    for (const effect of effects.splice(0)) {
      if (effect.kind !== "publish") continue;
      if (effect.result.outcome === "began") begun++;
      other.happen({ kind: "result", result: effect.result });
    }
  };
  for (let minute = 0; minute < 24 * 60; minute++) {
    if (stage.view.own.step === "asking") stage.happen({ kind: "granted" });
    tell();
    stage.after(minuteMs);
    other.after(minuteMs);
  }
  expect(begun).toBe(8);
  expect(stage.wait()).toMatchObject({ on: "updater", code: "rollout.noRestart", device: canary });
  expect(other.status().members.find(({ id }) => id === canary)).toMatchObject({
    standing: "passedOver",
    waits: { on: "updater", code: "rollout.noRestart" },
  });
  expect(other.effects).toContainEqual({ kind: "prepare", release: after });
  // After its own restart too.
  const kept = KeptView.parse(JSON.parse(JSON.stringify(keptOf(stage.view, stage.now))));
  stage.now = 77_000;
  stage.view = restored(kept, canary, 180, stage.now);
  stage.prepare();
  stage.change({});
  stage.order();
  stage.after(listenMs);
  expect(stage.wait()).toMatchObject({ on: "updater", code: "rollout.noRestart" });
  stage.order({ number: 2 });
  expect(stage.effects.at(-1)).toEqual({ kind: "askLease" });
});

const otherRollout = "b".repeat(22);
const restoredResults = ({ view, now }: Stage) =>
  restored(KeptView.parse(JSON.parse(JSON.stringify(keptOf(view, now)))), second, 180, now).results;

test.each<[string, (at: number) => [Result["outcome"], Partial<Result>?][]]>([
  ["of another rollout in between", () => [["began"], ["stayed", { rollout: otherRollout }]]],
  ["of a new rollout each time", (at) => [["began"], ["stayed", { rollout: `${at}`.padStart(22, "x") }]]],
  ["of another release in between", () => [["began"], ["stayed", { release: "9.9.9" }]]],
  ["of success with another release in between", () => [["began"], ["updated", { release: "9.9.9" }]]],
  ["of success in between", () => [["began"], ["updated"]]],
  ["that it has failed in another rollout", () => [["began"], ["failed", { rollout: otherRollout }]]],
])("one that begins again and again, with a word %s, is waited for some hours", (_, words) => {
  const stage = new Stage(second, ids, { number: 2, maxFailures: 1 });
  expect(flood(stage, words)).toBeLessThan(3);
  expect(restoredResults(stage)).toEqual(stage.view.results);
});
