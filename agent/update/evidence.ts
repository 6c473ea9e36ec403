// What this agent knows of its device's health, for the updater's verdict.
import type { Evidence, EvidenceRequest } from "../../provisioning/handover/update.ts";
import { ask } from "../../system/http/ask.ts";
import type { Phase } from "../phase.ts";

/** `pagePort` 0: the page is turned off, so nothing is missing. */
export async function collectEvidence(now: Phase, pagePort: number, request: EvidenceRequest = {}): Promise<Evidence> {
  const life = now.phase === "unprovisioned" ? undefined : now.life;
  const [known, hasPage] = await Promise.all([life?.evidence(request), pagePort === 0 || pageAnswers(pagePort)]);
  return {
    phase: now.phase,
    hasPage,
    hasMesh: known !== undefined,
    ...(known ?? { handshakes: [], alive: [], telemetry: "none" }),
  };
}

const pageDeadlineMs = 5_000;

/** The way of a visitor: the page's own port, on loopback. */
const pageAnswers = (port: number): Promise<boolean> =>
  ask({ host: "127.0.0.1", port }, { path: "/v1/status", deadlineMs: pageDeadlineMs }).then(
    ({ status }) => status === 200,
    () => false,
  );
