// What a rehearsal does, in which order and on which device. The same seed gives the same plan.
// Pure.
import type { LineTerms } from "../../../../image/lab/network/line.ts";

export const scenarioNames = ["update", "bad line", "power cut", "rollback"] as const;
export type Scenario = {
  device: string;
  /** The device has the release: it goes back first, which is no part of what is judged. */
  leavesFirst: boolean;
  /** `retry`: it left the release before, so it takes it only from somebody who insists. */
  ask: "now" | "retry";
} & ({ name: "update" | "rollback" } | { name: "bad line"; line: LineTerms } | { name: "power cut"; seed: number });

/** A slow line at home that loses frames. */
const badLine = { kbit: 1024, lossPercent: 2 };
const order = ["update", "bad line", "power cut", "rollback", "power cut", "power cut"] as const;

/** At least two devices: one alone has no witness. */
export function planScenarios(devices: readonly string[], seed: number): Scenario[] {
  const standing = devices.map((device) => ({ device, hasRelease: false, hasLeft: false, turns: 0 }));
  let cuts = 0;
  return order.map((name): Scenario => {
    const fits = standing.filter(({ hasRelease }) => hasRelease === (name === "rollback"));
    // One that has had few turns, so that each device has some.
    const one = (fits.length > 0 ? fits : standing).toSorted((a, b) => a.turns - b.turns)[0]!;
    const leavesFirst = name !== "rollback" && one.hasRelease;
    const common = { device: one.device, leavesFirst, ask: one.hasLeft || leavesFirst ? "retry" : "now" } as const;
    one.hasLeft ||= leavesFirst || name === "rollback";
    one.hasRelease = name !== "rollback";
    one.turns++;
    if (name === "bad line") return { ...common, name, line: { ...badLine, seed } };
    return name === "power cut" ? { ...common, name, seed: seed + cuts++ } : { ...common, name };
  });
}

/** The seed that repeats the chance in a scenario. */
export const seedOf = (scenario: Scenario): number | undefined =>
  scenario.name === "power cut" ? scenario.seed : scenario.name === "bad line" ? scenario.line.seed : undefined;
