// Whether a release failed, or only met nobody: once it is back, the release before looks for the same members for as long.
// Pure: time and evidence come in.
import type { Confirmation, Evidence } from "../../provisioning/handover/update.ts";
import { type CheckCode, isCheckCode, meaningOf } from "./checks.ts";
import { endOf } from "./conclude.ts";
import { judge } from "./judge.ts";
import type { Armed, Doubt } from "./state.ts";

/** What others have a part in. That the mesh starts is up to this device alone. */
const outward: readonly CheckCode[] = ["trial.noHandshake", "trial.noGossip", "trial.noWitness", "trial.noTelemetry"];

/** Whether all that a trial waited for may be missing because others are away. A witness that answers is there. */
export const isDoubtful = (missing: CheckCode[], confirmations: Confirmation[]): boolean =>
  missing.length > 0 &&
  missing.every((code) => outward.includes(code)) &&
  !(missing.includes("trial.noWitness") && confirmations.length > 0);

/**
 * looking: the old release may still reach somebody. failed: it reached what the new one did not, or its own agent or mesh says
 * nothing, which excuses nobody. void: it had as long, and reached no more.
 */
export type Look = "looking" | "failed" | "void";

export function lookAround(
  { armed, doubt }: { armed: Armed; doubt: Doubt },
  evidence: Evidence | undefined,
  confirmations: Confirmation[],
  isOver: boolean,
): Look {
  if (evidence?.hasMesh === true) {
    const system = { rootHash: armed.rootHash, isDataLost: false, failedUnits: [] };
    const missing = judge(armed, { ...system, evidence, confirmations });
    if (!doubt.missing.filter(isCheckCode).every((code) => missing.includes(code))) return "failed";
    return isOver ? "void" : "looking";
  }
  return isOver ? "failed" : "looking";
}

/** How a trial in doubt ended. */
export function endOfDoubt({ armed, doubt }: { armed: Armed; doubt: Doubt }, outcome: "failed" | "void") {
  const check = doubt.missing[0]!;
  const end = endOf(armed, outcome, { log: doubt.log, confirmations: doubt.confirmations ?? [] });
  const because = outcome === "failed" ? "" : `; ${armed.from.version} did no better`;
  return { ...end, check, message: `${meaningOf(check)}${because}` };
}
