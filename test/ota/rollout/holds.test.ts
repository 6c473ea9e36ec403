// A hold lasts for as long as it was signed for, whatever the device's own clock says.
import { expect, test } from "vitest";
import { KeptView, keptOf, restored } from "../../../ota/rollout/kept.ts";
import { hourMs, idsOf, minuteMs, Stage } from "./stage.ts";

const ids = idsOf(2);
const [canary = ""] = ids;
const wallMs = Date.UTC(2026, 10, 30);
const hold = { device: canary, untilWallMs: wallMs + hourMs, lastsMs: hourMs, reason: "film" };
const halfAYearMs = 183 * 24 * hourMs;

function begin(offMs: number, isSynced = false): Stage {
  const stage = new Stage(canary, ids);
  tell(stage, offMs, isSynced);
  stage.order({}, {}, [hold]);
  return stage;
}
/** `stage.now` begins at a million. */
const tell = (stage: Stage, offMs: number, isSynced = false) =>
  stage.happen({
    kind: "clock",
    moment: {
      ...{ atMs: stage.now, minute: 0, wallMs: wallMs + offMs + stage.now - 1_000_000 },
      ...(!isSynced && { unsyncedSinceMs: 0 }),
    },
  });

test.each([
  ["half a year behind", -halfAYearMs],
  ["two hours ahead", 2 * hourMs],
])("a device whose clock is %s is on hold for the hour that was signed", (_, offMs) => {
  const stage = begin(offMs);
  expect(stage.effects).toEqual([]);
  expect(stage.wait()).toMatchObject({ on: "hold", reason: "film", untilMs: stage.now + hourMs });
  stage.now += hourMs - 1;
  tell(stage, offMs);
  expect(stage.effects).toEqual([]);
  expect(stage.after(1)).toMatchObject([{ kind: "prepare" }]);
});

test("a clock that a time server has set ends a hold that was heard late, and never makes it longer", () => {
  const late = begin(40 * minuteMs, true);
  expect(late.wait()).toMatchObject({ on: "hold", untilMs: late.now + 20 * minuteMs });
  const early = begin(-40 * minuteMs, true);
  expect(early.wait()).toMatchObject({ on: "hold", untilMs: early.now + hourMs });
});

test("that nobody has answered since the start is no answer, an answer counts for an hour", () => {
  const stage = begin(2 * hourMs);
  const moment = { atMs: stage.now, minute: 0, wallMs: wallMs + 2 * hourMs, unsyncedSinceMs: 10 };
  expect(stage.wait()).toMatchObject({ on: "hold" });
  stage.happen({ kind: "clock", moment: { ...moment, unsyncedSinceMs: stage.now - hourMs } });
  expect(stage.wait()).toMatchObject({ on: "hold" });
  stage.happen({ kind: "clock", moment: { ...moment, unsyncedSinceMs: stage.now - 1 } });
  expect(stage.wait()?.on).not.toBe("hold");
});

test("a restart does not begin a hold anew", () => {
  const stage = begin(-halfAYearMs);
  stage.after(40 * minuteMs);
  const kept = KeptView.parse(JSON.parse(JSON.stringify(keptOf(stage.view, stage.now))));
  stage.now = 77_000;
  stage.view = restored(kept, canary, 180, stage.now);
  stage.change({});
  stage.order({}, {}, [hold]);
  expect(stage.wait()).toMatchObject({ on: "hold", untilMs: stage.now + 20 * minuteMs });
  // One that is signed again is another one.
  stage.order({}, {}, [{ ...hold, untilWallMs: hold.untilWallMs + minuteMs }]);
  expect(stage.wait()).toMatchObject({ on: "hold", untilMs: stage.now + hourMs });
});
