// Members of the release before beside members of this one, in one neighborhood.
import { expect, test } from "vitest";
import { encodeWaiting } from "../../agent/membership/waiting-message.ts";
import { lacksPredecessor, predecessorCore } from "../predecessor.ts";
import { Neighborhood } from "./neighborhood.ts";

const skip = await lacksPredecessor();

test.skipIf(skip)(
  "two releases side by side know the same members, deaths and farewells, and call nobody dead",
  async () => {
    const before = await predecessorCore();
    const core = (index: number) => (index % 2 === 0 ? before : undefined);
    const town = new Neighborhood({ size: 12, seed: 3, loss: 0.05, delayMs: [1, 40], core });
    town.meet();
    expect(town.runUntil(() => town.isWhole(), 10_000)).toBeDefined();
    town.run(600_000);
    expect([town.falseDeaths, town.isWhole()]).toEqual([[], true]);
    // One of each release.
    for (const one of [2, 5]) {
      town.kill(one);
      expect(town.runUntil(() => town.agree(one, "dead"), 60_000)).toBeDefined();
      town.restart(one);
      expect(town.runUntil(() => town.isWhole(), 10_000)).toBeDefined();
      town.leave(one);
      expect(town.runUntil(() => town.agree(one, "left"), 5_000)).toBeDefined();
      town.restart(one);
      expect(town.runUntil(() => town.isWhole(), 10_000)).toBeDefined();
    }
  },
);

test.skipIf(skip)("the release before passes over what members say of those that wait", async () => {
  const { decodeMessage } = await predecessorCore();
  for (const devices of [[], ["a".repeat(26)]])
    expect(decodeMessage(Buffer.from(encodeWaiting(devices)))).toBeUndefined();
});
