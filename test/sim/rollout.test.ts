// Rollouts in simulated neighborhoods, with lost messages, partitions and power cuts: `npm run test:long -- --cases sim/rollout` has more.
import { expect, test } from "vitest";
import { type CaseName, cases, commandOf, type Outcome } from "./rollout-cases.ts";
import { minuteMs, RolloutTown } from "./rollout-town.ts";

const seeds = Array.from({ length: 50 }, (_, at) => at + 1);

const few = seeds.slice(0, 20);

function prove(name: CaseName, size: number, seed: number): Outcome {
  const outcome = cases[name](size, seed);
  expect(outcome.problems, `again: ${commandOf(name, size, seed)}`).toEqual([]);
  return outcome;
}

test.each([1, 2, 3, 5, 12])("a good release reaches all of %i, never two down, whatever else happens", (size) => {
  for (const seed of seeds) prove("good", size, seed);
});

test.each([2, 3, 5])(
  "a release that fails on every third device reaches nobody after the pause, in a home of %i",
  (size) => {
    for (const seed of seeds) prove("bad", size, seed);
  },
);

test.each([1, 2, 3, 5])(
  "in a home of %i without an operator a good release reaches all whose owner wants it, the canary first",
  (size) => {
    for (const seed of few) prove("home", size, seed);
  },
);

test.each([1, 2, 3, 5])("in a home of %i without an operator a bad release is tried by one device alone", (size) => {
  for (const seed of few) prove("badHome", size, seed);
});

test.each([2, 3, 6])("of %i those who lack the release are away for days: the first one back is the canary", (size) => {
  for (const seed of few) prove("deserted", size, seed);
});

test.each([1, 2, 3, 5])(
  "of %i some are there and cannot prepare it: all others name them, no wave waits for ever, who can in the end follows",
  (size) => {
    for (const seed of few.slice(0, 12)) prove("stuck", size, seed);
  },
);

test.each([2, 5])(
  "with hours of the night nobody of %i restarts outside of them, and all have it in the end",
  (size) => {
    for (const seed of few) prove("night", size, seed);
  },
);

test("the check for a restart outside the hours fires", () => {
  const town = new RolloutTown({ size: 1, seed: 1, loss: 0, order: {}, fails: () => false, needsCanary: false });
  town.order();
  for (const device of town.devices) {
    const [known] = device.view.orders;
    device.view = { ...device.view, orders: [{ ...known!, order: { ...known!.order, window: "02:00-05:00" } }] };
    // It takes the first minute of the day for two in the morning.
    device.view = { ...device.view, clock: { ...device.view.clock, minute: 120 } };
  }
  town.run(60 * minuteMs);
  expect(town.problems.join()).toContain("restarts outside 02:00-05:00");
});

test("in a neighborhood of 200 a release that fails on every third device stops before 5 % have it", () => {
  for (const seed of seeds.slice(0, 3)) prove("bad", 200, seed);
});

test("a neighborhood of 40 is done soon after its soaks and one restart after the other allow", () => {
  const { tookMs, boundMs } = prove("rare", 40, 3);
  expect(tookMs).toBeLessThan(boundMs * 1.2);
});

test("the check for two that are down at once fires", () => {
  const town = new RolloutTown({
    size: 3,
    seed: 1,
    loss: 0,
    order: { waves: [100] },
    fails: () => false,
    isBlind: true,
  });
  town.order();
  town.run(60 * minuteMs);
  expect(town.problems[0]).toContain("restarts while");
});

test("the check for a skipped canary fires", () => {
  const order = { waves: [100] };
  const town = new RolloutTown({ size: 3, seed: 1, loss: 0, order, fails: () => false, needsCanary: true });
  town.order();
  town.run(60 * minuteMs);
  expect(town.problems.join()).toContain("before the canary");
});
