// Runs the scenarios of a rehearsal on the devices of one stage, and says of each how it ended.
import { HamletError } from "../../../../system/error.ts";
import { cutDuring, failed, follow, passed } from "./follow.ts";
import { type Scenario, seedOf } from "./plan.ts";
import { ask, awaitReport, pollMs, type Stage, wellWithinMs } from "./stage.ts";
import type { Outcome, ScenarioResult } from "./verdict.ts";

export type Terms = {
  from: string;
  release: string;
  /** What a device fetches. */
  fetchBytes: number;
  onStage(text: string): void;
};

/** After the first failure nothing else runs: the release is not fit anyway. */
export async function playScenarios(
  stage: Stage,
  scenarios: readonly Scenario[],
  terms: Terms,
): Promise<ScenarioResult[]> {
  const results: ScenarioResult[] = [];
  let stopped: string | undefined;
  for (const [index, scenario] of scenarios.entries()) {
    const { name, device } = scenario;
    const seed = seedOf(scenario);
    const about = { name, device, ...(seed !== undefined && { seed }) };
    if (stopped !== undefined) {
      results.push({ ...about, seconds: 0, outcome: { verdict: "not rehearsed", reason: stopped } });
      continue;
    }
    const onStage = (text: string) =>
      terms.onStage(`${index + 1} of ${scenarios.length}, ${name} on ${device}: ${text}`);
    const startedMs = stage.now();
    const outcome = await play(stage, scenario, { ...terms, onStage }).catch(notRehearsed);
    results.push({ ...about, seconds: Math.round((stage.now() - startedMs) / 100) / 10, outcome });
    if (outcome.verdict !== "passed") stopped = `${name} on ${device} ended the rehearsal`;
  }
  return results;
}

/** What goes wrong with the stage says nothing of the release. */
function notRehearsed(error: unknown): Outcome {
  if (!(error instanceof HamletError)) throw error;
  return { verdict: "not rehearsed", reason: `${error.code}: ${error.message}` };
}

async function play(stage: Stage, scenario: Scenario, terms: Terms): Promise<Outcome> {
  const { device } = scenario;
  const before = await awaitReport(stage, device);
  const outcome = await act(stage, scenario, terms);
  if (outcome.verdict === "failed") return { ...outcome, log: await stage.lastLines(device) };
  return outcome.verdict === "passed" ? await wellAgain(stage, device, before.id, terms) : outcome;
}

async function act(stage: Stage, scenario: Scenario, terms: Terms): Promise<Outcome> {
  const { device } = scenario;
  if (scenario.leavesFirst) {
    const left = await goBack(stage, device, terms);
    if (left.verdict !== "passed") return left;
  }
  switch (scenario.name) {
    case "update":
      return await goForward(stage, scenario, terms);
    case "rollback":
      return await goBack(stage, device, terms);
    case "bad line": {
      await stage.setLine(device, scenario.line);
      const slowMs = (terms.fetchBytes * 8 * 4) / (scenario.line.kbit ?? 1_000);
      const outcome = await goForward(stage, scenario, terms, { moreMs: slowMs });
      await stage.heal(device);
      return outcome;
    }
    case "power cut":
      return await goForward(stage, scenario, terms, { cutSeed: scenario.seed });
  }
}

async function goBack(stage: Stage, device: string, terms: Terms): Promise<Outcome> {
  const before = await awaitReport(stage, device);
  if (before.update.earlier !== terms.from)
    return failed("update.nothingBack", `it keeps ${before.update.earlier ?? "nothing"} to go back to`);
  await ask(stage, device, "back");
  return await follow(stage, device, { wanted: terms.from, before, again: "back", onStage: terms.onStage });
}

async function goForward(
  stage: Stage,
  { device, ask: how }: Scenario,
  { release, onStage }: Terms,
  { moreMs = 0, cutSeed }: { moreMs?: number; cutSeed?: number } = {},
): Promise<Outcome> {
  const before = await awaitReport(stage, device);
  await ask(stage, device, how);
  if (cutSeed !== undefined) {
    await cutDuring(stage, device, { before, seed: cutSeed, onStage });
    await stage.restore(device);
  }
  return await follow(stage, device, { wanted: release, before, again: how, moreMs, onStage });
}

/** It is still the same member, and all reach each other. */
async function wellAgain(stage: Stage, device: string, id: string, { onStage }: Terms): Promise<Outcome> {
  onStage("waiting until all reach each other");
  const deadline = stage.now() + wellWithinMs;
  for (;;) {
    const trouble = await stage.trouble();
    if (trouble === undefined) {
      const report = await awaitReport(stage, device);
      return report.id === id ? passed : failed("identity", `${device} was ${id} and is ${report.id} now`);
    }
    if (stage.now() >= deadline) return failed("apart", trouble);
    await stage.pause(pollMs);
  }
}
