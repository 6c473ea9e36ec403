// Runs the scenarios of a rehearsal on the devices of one stage, and says of each how it ended.
import type { UpdateStatus } from "../../../../agent/api/schema.ts";
import type { LineTerms } from "../../../../image/lab/network/line.ts";
import { chooseMoment, isReached } from "../../../../image/lab/power/moment.ts";
import { HamletError } from "../../../../system/error.ts";
import { type Scenario, seedOf } from "./plan.ts";
import type { Outcome, ScenarioResult } from "./verdict.ts";

export type DeviceReport = { id: string; update: UpdateStatus };
/** The devices that play, and the time that passes for them. */
export type Stage = {
  /** Undefined while the device or its updater is silent. Throws if its machine has ended. */
  report(device: string): Promise<DeviceReport | undefined>;
  ask(device: string, kind: "now" | "retry" | "back"): Promise<void>;
  /** Who is not well, in words; undefined if every device reaches every other. */
  trouble(): Promise<string | undefined>;
  setLine(device: string, line: LineTerms): Promise<void>;
  heal(device: string): Promise<void>;
  cut(device: string, seed: number): Promise<void>;
  restore(device: string): Promise<void>;
  /** The last lines of the device before it came back by itself. */
  lastLines(device: string): Promise<string[]>;
  now(): number;
  /** Throws when the rehearsal is stopped. */
  pause(ms: number): Promise<void>;
};
export type Terms = {
  from: string;
  release: string;
  /** What a device fetches. */
  fetchBytes: number;
  onStage(text: string): void;
};

const second = 1_000;
const pollMs = 500;
/** An emulated device on a busy computer writes and restarts for a quarter of an hour. */
const endsWithinMs = 40 * 60 * second;
const wellWithinMs = 10 * 60 * second;
const askAgainMs = 30 * second;
/** What it waited for before it was asked says nothing of this update. */
const oldNewsMs = 5 * second;
/** A verdict that a power cut took from the history shows in that nothing else comes. */
const restsMs = 60 * second;
/** How often an update may end without a verdict, as after a power cut. */
const mostVoid = 3;

const failed = (check: string, reason: string): Outcome => ({ verdict: "failed", check, reason });
const passed: Outcome = { verdict: "passed" };

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

/** Cuts at a moment of the update that the seed chooses, or when the update is over. */
async function cutDuring(
  stage: Stage,
  device: string,
  { before, seed, onStage }: { before: DeviceReport; seed: number; onStage(text: string): void },
): Promise<void> {
  const moment = chooseMoment({ seed });
  onStage(`waiting to cut the power while it is ${moment.phase}`);
  const deadline = stage.now() + endsWithinMs;
  for (let wasAtEnd = false; stage.now() < deadline; await stage.pause(pollMs)) {
    const report = await stage.report(device);
    const activity = report?.update.activity;
    // A device that restarts is silent.
    const isRestarting = !report && wasAtEnd && moment.phase !== "trying";
    const isOver = report && report.update.last?.atMs !== before.update.last?.atMs;
    if (isRestarting || isOver || isReached(moment, activity)) break;
    wasAtEnd ||= activity?.phase === "verifying" || activity?.phase === "restarting";
  }
  await stage.cut(device, seed);
}

type Followed = {
  wanted: string;
  before: DeviceReport;
  /** What to ask if it ends without a verdict, or never began. */
  again: "now" | "retry" | "back";
  moreMs?: number;
  onStage(text: string): void;
};

/** Until the device rests on the wanted release, or says why it does not. */
async function follow(
  stage: Stage,
  device: string,
  { wanted, before, again, moreMs = 0, onStage }: Followed,
): Promise<Outcome> {
  const deadline = stage.now() + endsWithinMs + moreMs;
  let [seen, voids, shown, askedMs] = [before.update.last?.atMs, 0, "", stage.now()];
  let restsSince: number | undefined;
  for (; stage.now() < deadline; await stage.pause(pollMs)) {
    const report = await stage.report(device);
    const { activity, last, running } = report?.update ?? {};
    const text = activity?.phase ?? "waiting until it answers";
    if (text !== shown) onStage(text);
    shown = text;
    if (!activity || !running) {
      restsSince = undefined;
      continue;
    }
    const isNews = last !== undefined && last.atMs !== seen;
    if (isNews) {
      seen = last.atMs;
      const { outcome, check = outcome, message = `${last.to} did not stay` } = last;
      if (outcome === "failed" || outcome === "rescued") return failed(check, message);
      if (outcome === "void" && ++voids > mostVoid) return failed(check, `${voids} trials without a verdict`);
      if (outcome === "void") {
        await ask(stage, device, again);
        askedMs = stage.now();
      }
    }
    const isFinal = activity.phase === "waiting" && activity.againAtMs === undefined;
    if (isFinal && stage.now() - askedMs >= oldNewsMs) return failed(activity.because.code, activity.because.message);
    if (activity.phase !== "idle" && activity.phase !== "waiting") {
      restsSince = undefined;
      continue;
    }
    if (running.version === wanted && activity.phase === "idle") {
      restsSince ??= stage.now();
      const isTold =
        last?.atMs !== before.update.last?.atMs && (last?.outcome === "committed" || last?.outcome === "left");
      if (isTold || stage.now() - restsSince >= restsMs) return passed;
    } else if (stage.now() - askedMs >= askAgainMs) {
      await ask(stage, device, again);
      askedMs = stage.now();
    }
  }
  return failed("deadline", `it does not run ${wanted} after ${Math.round((endsWithinMs + moreMs) / 60_000)} minutes`);
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

async function awaitReport(stage: Stage, device: string): Promise<DeviceReport> {
  const deadline = stage.now() + wellWithinMs;
  for (; stage.now() < deadline; await stage.pause(pollMs)) {
    const report = await stage.report(device);
    if (report) return report;
  }
  throw new HamletError("device.noAnswer", `${device} does not answer`);
}

/** A device that does not answer now is asked again later. */
async function ask(stage: Stage, device: string, kind: "now" | "retry" | "back"): Promise<void> {
  await stage.ask(device, kind).catch((error: unknown) => {
    if (!(error instanceof HamletError) || !isSilence(error)) throw error;
  });
}

export const isSilence = ({ code }: HamletError): boolean => ["device.noAnswer", "lab.execFailed"].includes(code);
