// A word of success counts if it names the root that the release's manifest names, wherever that is known.
import { expect, test } from "vitest";
import { memberText, nextSteps } from "../../../dashboard/rollout-words.ts";
import { KeptView, keptOf, restored } from "../../../ota/rollout/kept.ts";
import { after, before, idsOf, minuteMs, rolloutId, Stage } from "./stage.ts";

const ids = idsOf(3);
const [canary = "", second = "", third = ""] = ids;
const [right, wrong] = ["a".repeat(64), "b".repeat(64)];
const terms = { maxFailures: 1 };

function makeStage(self: string, { hasVerified = true, boards = {} as Record<string, string> } = {}): Stage {
  const stage = new Stage(self, ids, terms);
  stage.change(Object.fromEntries(ids.map((id) => [id, { board: boards[id] ?? "nuc" }])));
  if (hasVerified) verify(stage, right);
  return stage;
}

function verify(stage: Stage, rootHash: string) {
  const roots = [{ release: after, rootHash }];
  return stage.happen({ kind: "updater", updater: { phase: "free" }, roots });
}

const stopped = { state: "paused", updated: 0, failed: 1, waits: { on: "failures", devices: [canary] } };
const rowOf = (stage: Stage) => stage.status().members.find(({ id }) => id === canary);

test.each([
  ["another root", { rootHash: wrong }],
  ["no root", {}],
])("who says done and names %s has failed at once, and stops the rollout", (_, word) => {
  const stage = makeStage(second);
  stage.says(canary, "updated", word);
  expect(stage.status()).toMatchObject(stopped);
  expect(rowOf(stage)).toMatchObject({ standing: "failed", check: "rollout.wrongRoot" });
  expect(memberText(rowOf(stage)!, String, 0)).toContain("runs another system than the one that was signed");
  expect(nextSteps(stage.status(), () => "attic").join()).toContain(
    "why attic failed: hamlet explain rollout.wrongRoot",
  );
  // A second word ends no pause.
  stage.says(canary, "updated", { rootHash: right });
  expect(stage.status()).toMatchObject({ state: "paused", updated: 1 });
});

test("who names the root of the manifest has the release", () => {
  const stage = makeStage(second);
  stage.says(canary, "updated", { rootHash: right });
  expect(stage.status()).toMatchObject({ state: "running", updated: 1, failed: 0 });
});

test("a device that has prepared the release finds out before it restarts, and does not", () => {
  const stage = makeStage(second, { hasVerified: false });
  stage.says(canary, "updated", { rootHash: wrong });
  expect(stage.after(10 * minuteMs)).toEqual([{ kind: "prepare", release: after }]);
  const roots = [{ release: after, rootHash: right }];
  stage.effects = [];
  stage.happen({ kind: "updater", updater: { phase: "ready", release: after }, roots });
  expect(stage.effects).toEqual([]);
  expect(stage.status()).toMatchObject(stopped);
});

test("another board has a manifest of its own, which says nothing here", () => {
  const stage = makeStage(second, { boards: { [canary]: "rpi4" } });
  stage.says(canary, "updated", { rootHash: wrong });
  expect(stage.status()).toMatchObject({ state: "running", updated: 1 });
});

test("a release that is published again counts as it is now", () => {
  const stage = makeStage(second);
  verify(stage, wrong);
  stage.says(canary, "updated", { rootHash: wrong });
  expect(stage.status()).toMatchObject({ state: "running", updated: 1 });
});

test("what is learned of a word only after the rollout was resumed was known to nobody then, and outlives a restart", () => {
  const stage = makeStage(third, { hasVerified: false });
  stage.says(canary, "updated", { rootHash: wrong });
  stage.after(1_000);
  stage.order({ ...terms, number: 2 });
  stage.after(1_000);
  verify(stage, right);
  expect(stage.status()).toMatchObject(stopped);
  stage.after(1_000);
  stage.order({ ...terms, number: 3 });
  expect(stage.status()).toMatchObject({ state: "running", failed: 1 });
  const kept = KeptView.parse(JSON.parse(JSON.stringify(keptOf(stage.view, stage.now))));
  stage.now = 77_000;
  stage.view = { ...restored(kept, third, 180, stage.now), listenUntilMs: stage.now };
  stage.happen({ kind: "updater", updater: { phase: "free" } });
  stage.change({});
  stage.order({ ...terms, number: 3 });
  expect(stage.status()).toMatchObject({ state: "running", failed: 1 });
});

test("this device's own word counts before it is signed, and what the release before kept without the root gets it", () => {
  const stage = makeStage(canary);
  stage.prepare();
  stage.happen({ kind: "granted" });
  stage.change({ [canary]: { release: after } });
  const ended = { from: before, to: after, outcome: "committed", atWallMs: 5 } as const;
  stage.happen({ kind: "updater", updater: { phase: "free" }, ended });
  expect(stage.status()).toMatchObject({ updated: 1, failed: 0 });
  const said = { device: canary, said: 2, rollout: rolloutId, order: 1, release: after, outcome: "updated" } as const;
  stage.happen({ kind: "result", result: { ...said, rootHash: right } });
  expect(stage.status()).toMatchObject({ updated: 1, failed: 0 });
  expect(stage.view.results.get(canary)).toMatchObject({ said: 2, rootHash: right });
});
