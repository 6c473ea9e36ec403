import { expect, test } from "vitest";
import { deviceStatuses } from "../../../../image/lab/supervisor/device-status.ts";
import {
  type Finding,
  type Observed,
  observe,
  StatusGist,
  unobserved,
} from "../../../../image/lab/supervisor/observed.ts";
import type { LabEvent } from "../../../../image/lab/supervisor/status.ts";

/** The answer of `name` if it knows `others`, each with a state and perhaps a handshake and metrics. */
function answer(
  name: string,
  others: Record<string, { state?: string; linked?: boolean; metrics?: boolean }>,
): Finding {
  const gist: StatusGist = {
    phase: "member",
    self: { id: `id-${name}`, name, release: "1", address: "fd00::1" },
    members: [
      { id: `id-${name}`, name, state: "alive", isSelf: true },
      ...Object.entries(others).map(([other, { state = "alive", linked = true, metrics = true }]) => ({
        ...{ id: `id-${other}`, name: other, state, isSelf: false },
        ...(linked && { handshakeAgeS: 1 }),
        ...(metrics && { metrics: {} }),
      })),
    ],
    neighbors: [],
  };
  return { kind: "status", gist };
}
function tell(steps: [atS: number, name: string, finding: Finding][]): { observed: Observed[]; events: LabEvent[] } {
  let observed = [unobserved("attic"), unobserved("cellar")];
  const events: LabEvent[] = [];
  for (const [atS, name, finding] of steps) {
    const [next, news] = observe(observed, name, finding, atS);
    observed = next;
    events.push(...news);
  }
  return { observed, events };
}
const states = (observed: Observed[], nowS: number) => deviceStatuses(observed, nowS).map(({ state }) => state);
const on: Finding = { kind: "power", isOn: true };
const met: [number, string, Finding][] = [
  [0, "attic", on],
  [0, "cellar", on],
  [9, "attic", answer("attic", { cellar: {} })],
  [9, "cellar", answer("cellar", { attic: {} })],
];

test("a boot passes each milestone once, in order", () => {
  const { events } = tell([
    [0, "attic", on],
    [2, "attic", { kind: "console", text: "BdsDxe: loading" }],
    [3, "attic", { kind: "console", text: "[    0.000000] Linux version 6.1" }],
    [4, "attic", { kind: "frame" }],
    [5, "attic", answer("attic", {})],
    [6, "attic", answer("attic", { cellar: { linked: false, metrics: false } })],
    [7, "attic", answer("attic", { cellar: { metrics: false } })],
    [8, "attic", answer("attic", { cellar: {} })],
  ]);
  expect(events.map(({ atS, what }) => `${atS} ${what}`)).toEqual([
    ...["0 power", "2 firmware", "3 kernel", "5 agent", "6 neighbor", "6 member", "7 handshake", "8 telemetry"],
  ]);
});

test("a device is alive if the others say so, not if it says so itself", () => {
  const { observed } = tell(met);
  expect(deviceStatuses(observed, 10)).toMatchObject([
    { name: "attic", state: "alive", handshakes: 1, seenBy: ["cellar"], telemetry: true, id: "id-attic" },
    { name: "cellar", state: "alive", seenBy: ["attic"] },
  ]);
});

test("a device that the others declare dead is apart while its agent answers, and silent when it does not", () => {
  const { observed } = tell([
    ...met,
    [30, "attic", answer("attic", { cellar: { state: "dead" } })],
    [30, "cellar", answer("cellar", { attic: { state: "dead" } })],
  ]);
  expect(states(observed, 31)).toEqual(["apart", "apart"]);
  expect(states(observed, 60)).toEqual(["silent", "silent"]);
});

test("death and return give events that name the witness", () => {
  const { events } = tell([
    ...met,
    [30, "attic", answer("attic", { cellar: { state: "dead" } })],
    [40, "attic", answer("attic", { cellar: {} })],
  ]);
  expect(events.slice(-2)).toEqual([
    { atS: 30, device: "cellar", what: "dead", detail: "says attic" },
    { atS: 40, device: "cellar", what: "alive", detail: "says attic" },
  ]);
});

test("after a power cut a device is off; after it is restored, the device boots again with its id still known", () => {
  const { observed, events } = tell([...met, [20, "attic", { kind: "power", isOn: false }]]);
  expect(states(observed, 21)[0]).toBe("off");
  expect(events.at(-1)).toMatchObject({ device: "attic", what: "off" });
  const [again, news] = observe(observed, "attic", on, 22);
  expect(news).toEqual([{ atS: 22, device: "attic", what: "power" }]);
  expect(deviceStatuses(again, 23)[0]).toMatchObject({ state: "booting", id: "id-attic", reached: { power: 22 } });
});

test("a machine that ends by itself says why", () => {
  const { observed, events } = tell([...met, [20, "attic", { kind: "power", isOn: false, problem: "no memory" }]]);
  expect(events.at(-1)).toEqual({ atS: 20, device: "attic", what: "ended", detail: "no memory" });
  expect(deviceStatuses(observed, 21)[0]).toMatchObject({ state: "off", problem: "no memory" });
});

test("a device's slot is the one that its updater reported, and a report that cannot be read hides nothing else", () => {
  const { gist } = answer("attic", {}) as Extract<Finding, { kind: "status" }>;
  const told = (update: unknown) => {
    const finding: Finding = { kind: "status", gist: StatusGist.parse({ ...gist, update }) };
    return deviceStatuses(tell([...met, [10, "attic", finding]]).observed, 11)[0];
  };
  expect(told({ v: 1, running: { slot: "b", version: "0.2.0" } })).toMatchObject({ slot: "b", release: "1" });
  for (const none of [undefined, { running: {} }, "later"]) {
    expect(told(none)).toMatchObject({ release: "1" });
    expect(told(none)).not.toHaveProperty("slot");
  }
});
