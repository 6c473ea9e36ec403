// Judges a release on trial by what the device was before and what it is now. Silence is failure: nobody can repair a device that
// cannot report.
// Pure: time and evidence come in.
import type { Confirmation, Evidence } from "../../provisioning/handover/update.ts";
import type { CheckCode } from "./checks.ts";
import { isFull, type Witnesses } from "./witnesses.ts";

/** What the release that armed the trial saw, and what it signed for. */
export type Expected = {
  rootHash: string;
  failedUnits: string[];
  /** Ids of members that were alive. Nobody: local checks alone decide. */
  alive: string[];
  hadMesh: boolean;
  hadTelemetry: boolean;
  /** Members that confirmed then that they reach this device. Undefined: its own view of them decides. */
  witnesses?: Witnesses;
};
export type Observed = {
  rootHash: string | undefined;
  isDataLost: boolean;
  /** Undefined if systemd does not say. */
  failedUnits: string[] | undefined;
  /** Undefined while the agent does not answer. */
  evidence: Evidence | undefined;
  /** By witnesses, in this boot. */
  confirmations: Confirmation[];
};

/** The checks that have not passed, the gravest first. */
export function judge(expected: Expected, observed: Observed): CheckCode[] {
  const { rootHash, isDataLost, failedUnits, evidence, confirmations } = observed;
  const wasAlive = new Set(expected.alive);
  const isMet = (ids: string[] | undefined) => wasAlive.size === 0 || (ids ?? []).some((id) => wasAlive.has(id));
  const failed: [CheckCode, boolean][] = [
    ["trial.wrongRoot", rootHash !== expected.rootHash],
    ["trial.dataLost", isDataLost],
    ["trial.agentDown", evidence === undefined],
    ["trial.pageDown", evidence?.hasPage !== true],
    ["trial.unitFailed", failedUnits?.every((unit) => expected.failedUnits.includes(unit)) !== true],
    ["trial.meshDown", expected.hadMesh && evidence?.hasMesh !== true],
    ["trial.noHandshake", !isMet(evidence?.handshakes)],
    ["trial.noGossip", !isMet(evidence?.alive)],
    ["trial.noWitness", expected.witnesses !== undefined && !confirmations.some(isFull)],
    ["trial.noTelemetry", expected.hadTelemetry && evidence?.telemetry !== "up"],
  ];
  return failed.flatMap(([code, hasFailed]) => (hasFailed ? [code] : []));
}

/** No time heals these. */
const hopeless: CheckCode[] = ["trial.wrongRoot", "trial.dataLost"];

export type Watch = { deadlineMs: number; passedSinceMs: number | undefined };
export type Verdict = "wait" | "commit" | { failed: CheckCode };

/** All checks must hold for this long, so that an agent that starts and crashes does not pass. */
export const steadyMs = 10_000;

export function weigh(watch: Watch, waitsFor: CheckCode[], now: number): [Watch, Verdict] {
  const [first] = waitsFor;
  if (first === undefined) {
    const passedSinceMs = watch.passedSinceMs ?? now;
    return [{ ...watch, passedSinceMs }, now - passedSinceMs >= steadyMs ? "commit" : "wait"];
  }
  const next = { ...watch, passedSinceMs: undefined };
  const isOver = now >= watch.deadlineMs || hopeless.includes(first);
  return [next, isOver ? { failed: first } : "wait"];
}
