// What became of the last trial.
import { expect, test } from "vitest";
import type { BootState } from "../../../image/boot/boot-control.ts";
import { afterVoid, conclude, concludeReturn, endOf, endOfReturn, withEnd } from "../../../ota/updater/conclude.ts";
import { type Armed, noHistory, type Wanted } from "../../../ota/updater/state.ts";

const armed: Armed = {
  ...{ from: { slot: "a", version: "0.1.0" }, to: { slot: "b", version: "0.2.0" }, rootHash: "aa", bootId: "one" },
  ...{ atMs: 5, failedUnits: [], alive: [], hadMesh: false, hadTelemetry: false },
};
const old = { slot: "a", version: "0.1.0" } as const;
const next = { slot: "b", version: "0.2.0" } as const;
const kind = (boot: BootState, bootId = "two", trial: Armed | undefined = armed) =>
  conclude(boot, trial, { bootId }).kind;
const byHand = (boot: BootState, trial: Armed | undefined, slot: "a" | "b" = "b") =>
  conclude(boot, trial, { bootId: "two", handMade: { slot } }).kind;

test("each state of boot control has one conclusion", () => {
  expect(kind({ ...next, phase: "trying", triesLeft: 2, isMarkedBad: false })).toBe("trying");
  expect(kind({ ...next, phase: "settled" })).toBe("committed");
  expect(kind({ ...old, phase: "settled" })).toBe("notArmed");
  expect(kind({ ...old, phase: "reverted", trial: next, because: "markedBad" })).toBe("failed");
  expect(kind({ ...old, phase: "reverted", trial: next, because: "triesUsedUp" })).toBe("void");
  expect(kind({ ...old, phase: "reverted", trial: next, because: "neverBooted" })).toBe("void");
});

test("what was verified in this boot only lacks the restart; what was verified in another one is verified again", () => {
  const boot: BootState = { ...old, phase: "armed", trial: next, triesLeft: 1 };
  expect(kind(boot, "one")).toBe("restart");
  expect(kind(boot, "two")).toBe("stale");
  expect(kind({ ...boot, trial: { ...next, version: "0.3.0" } }, "one")).toBe("stale");
  expect(byHand({ ...boot, trial: { ...next, version: "0.3.0" } }, armed)).toBe("notArmed");
  expect(conclude(boot, undefined, { bootId: "one" }).kind).toBe("stale");
  expect(byHand(boot, undefined)).toBe("handMade");
  expect(byHand(boot, undefined, "a")).toBe("stale");
});

test("a trial whose record is lost has an end", () => {
  const boot: BootState = { ...next, phase: "trying", triesLeft: 2, isMarkedBad: false };
  expect(conclude(boot, undefined, { bootId: "two" })).toEqual({ kind: "lost", version: "0.2.0" });
  expect(kind({ ...boot, version: "0.3.0" })).toBe("lost");
});

test("a panic in the slot on trial is a failure, and nothing else is known to be one", () => {
  const panicked = (because: "markedBad" | "triesUsedUp" | "neverBooted") =>
    conclude({ ...old, phase: "reverted", trial: next, because }, armed, { bootId: "two", hasPanicked: true });
  expect(panicked("triesUsedUp")).toMatchObject({ kind: "failed", check: "trial.panicked" });
  expect(panicked("neverBooted")).toMatchObject({ kind: "failed", check: "trial.panicked" });
  // The verdict that came first.
  expect(panicked("markedBad")).toMatchObject({ kind: "failed", check: "trial.ended" });
});

test("a trial that a person began is left to that person", () => {
  const boot: BootState = { ...next, version: "0.3.0", phase: "trying", triesLeft: 2, isMarkedBad: false };
  expect(byHand(boot, armed)).toBe("handMade");
  expect(byHand(boot, undefined)).toBe("handMade");
  expect(byHand({ ...old, phase: "settled" }, undefined)).toBe("none");
});

test("an end is noted once, and counts as seen only after a commit", () => {
  const failed = endOf(armed, "failed", { check: "trial.agentDown", log: ["a line"] });
  const once = withEnd(noHistory, failed);
  expect(once).toMatchObject({
    failed: ["0.2.0"],
    isSeen: false,
    ends: [{ check: "trial.agentDown", log: ["a line"] }],
  });
  expect(withEnd(once, endOf(armed, "failed", { check: "trial.ended" }))).toEqual(once);
  const committed = withEnd(once, { ...endOf({ ...armed, atMs: 6 }, "committed") });
  expect(committed).toMatchObject({ failed: [], isSeen: true });
});

test("the history is bounded, and logs are kept of the newest ends alone", () => {
  let history = noHistory;
  for (let count = 0; count < 50; count++) {
    const to = { ...next, version: `0.${count}.0` };
    history = withEnd(
      history,
      endOf({ ...armed, to, atMs: count }, "failed", { check: "trial.agentDown", log: ["a line"] }),
    );
  }
  expect(history.ends).toHaveLength(20);
  expect(history.failed).toHaveLength(16);
  expect(history.ends[0]!.to).toBe("0.49.0");
  expect(history.ends.filter(({ log }) => log)).toHaveLength(3);
});

test("a trial without a verdict is repeated three times, then the release has failed", () => {
  let wanted: Wanted | undefined;
  const counts = [1, 2, 3, 4].map(() => {
    wanted = afterVoid(wanted, "0.2.0");
    return wanted?.voids?.count;
  });
  expect(counts).toEqual([1, 2, 3, undefined]);
  expect(afterVoid({ voids: { version: "0.2.0", count: 3 } }, "0.3.0")?.voids?.count).toBe(1);
});

test("a device that was to go back is there, only lacks the restart, or never began", () => {
  const leaving = { from: next, to: old, atMs: 7 };
  expect(concludeReturn({ ...old, phase: "settled" }, leaving)).toEqual({ kind: "arrived", leaving });
  expect(concludeReturn({ ...next, phase: "settled" }, leaving).kind).toBe("notDone");
  expect(concludeReturn({ ...next, phase: "left", next: old }, leaving).kind).toBe("restart");
  expect(concludeReturn({ ...old, version: "0.1.5", phase: "settled" }, leaving).kind).toBe("notDone");
  expect(concludeReturn({ ...old, phase: "settled" }, undefined).kind).toBe("none");
  expect(kind({ ...next, phase: "left", next: old })).toBe("notArmed");
});

test("a release that somebody left counts as failed, and nobody has to acknowledge that", () => {
  const before = withEnd(noHistory, endOf(armed, "committed"));
  const left = withEnd(before, endOfReturn({ from: next, to: old, atMs: 7 }));
  expect(left).toMatchObject({
    failed: ["0.2.0"],
    isSeen: true,
    ends: [{ outcome: "left", from: "0.2.0", to: "0.1.0" }, {}],
  });
  expect(withEnd(left, endOfReturn({ from: next, to: old, atMs: 7 }))).toEqual(left);
});
