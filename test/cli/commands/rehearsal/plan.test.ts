import { expect, test } from "vitest";
import { planScenarios, seedOf } from "../../../../cli/commands/rollout/rehearsal/plan.ts";

const three = ["attic", "cellar", "kitchen"];

test("an update, one over a bad line, three power cuts and a way back, on all of three devices", () => {
  const plan = planScenarios(three, 7);
  expect(plan.map(({ name, device, leavesFirst, ask }) => [name, device, leavesFirst, ask])).toEqual([
    ["update", "attic", false, "now"],
    ["bad line", "cellar", false, "now"],
    ["power cut", "kitchen", false, "now"],
    ["rollback", "attic", false, "now"],
    ["power cut", "attic", false, "retry"],
    ["power cut", "cellar", true, "retry"],
  ]);
  expect(plan.map(seedOf)).toEqual([undefined, 7, 7, undefined, 8, 9]);
});

test("the same seed gives the same plan, another one other cuts", () => {
  expect(planScenarios(three, 7)).toEqual(planScenarios(three, 7));
  expect(planScenarios(three, 8).map(seedOf)).not.toEqual(planScenarios(three, 7).map(seedOf));
});

test.each([2, 3, 4, 5, 6])(
  "with %i devices each scenario finds one that fits: who has the release leaves it first",
  (count) => {
    const running = new Map(Array.from({ length: count }, (_, index) => [String(index), "old"]));
    for (const { name, device, leavesFirst } of planScenarios([...running.keys()], 1)) {
      if (leavesFirst) {
        expect(running.get(device)).toBe("new");
        running.set(device, "old");
      }
      expect(running.get(device)).toBe(name === "rollback" ? "new" : "old");
      running.set(device, name === "rollback" ? "old" : "new");
    }
  },
);
