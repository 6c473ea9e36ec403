// Warnings about updates, from the updater's report.
import type { UpdateReport } from "../../provisioning/handover/update.ts";
import type { Warnings } from "../health/warnings.ts";

/** What ends by itself, or is only worth telling once it has lasted. */
const temporary = new Set(["update.unreachable", "update.agentSilent", "update.badObject", "update.busy"]);
/** People know already, or have nothing to do. */
const known = new Set([
  ...["update.failedBefore", "update.notNewer", "update.noRepository", "update.outsideWindow", "update.nothingBack"],
]);
/** A home may be offline for a day. */
const patienceMs = 24 * 3600_000;

export type WarnOfUpdate = (report: UpdateReport) => void;

export function makeWarnOfUpdate(warnings: Pick<Warnings, "raise" | "clear">, now: () => number): WarnOfUpdate {
  let waitingSince: number | undefined;
  return ({ activity, fallback, running }) => {
    if (fallback) {
      // Strangers may see this one: it names releases and a code, and nothing that a check said.
      const why = fallback.check === undefined ? "" : ` (${fallback.check})`;
      const how = fallback.outcome === "void" ? "ended without a verdict" : "failed";
      const which =
        fallback.outcome === "rescued"
          ? `the slot of release ${fallback.from} no longer starts`
          : `the update to ${fallback.to} ${how}`;
      const what = `${which}${why}, and this device runs ${running.version} again`;
      const hint = "see why: hamlet update history; then acknowledge it: hamlet update seen";
      warnings.raise("update.fallback", what, hint, { since: fallback.atMs });
    } else warnings.clear("update.fallback");

    // A check begins and ends many times while the same trouble lasts.
    if (activity.phase === "checking") return;
    const because = activity.phase === "waiting" ? activity.because : undefined;
    waitingSince = because && (waitingSince ?? now());
    const isDue = because && (!temporary.has(because.code) || now() - waitingSince! >= patienceMs);
    // A trial that is repeated is a fallback too.
    const isKnown = because && (known.has(because.code) || because.code.startsWith("trial."));
    if (!because || !isDue || isKnown) return warnings.clear("update.waiting");
    const release =
      activity.phase === "waiting" && activity.version ? `the update to ${activity.version} waits` : "updates wait";
    warnings.raise(
      "update.waiting",
      `${release}: ${because.message}`,
      because.hint ?? `hamlet explain ${because.code}`,
      {
        since: waitingSince!,
      },
    );
  };
}

/** It starts with the device, and is never silent for longer than a minute. */
const silenceMs = 15 * 60_000;

/** `silentForMs`: how long the updater of this device has not been heard. */
export function warnOfSilence(warnings: Pick<Warnings, "raise" | "clear">, silentForMs: number): void {
  if (silentForMs < silenceMs) warnings.clear("update.noUpdater");
  else warnings.raise("update.noUpdater", "the updater does not run", "on the device: systemctl status hamlet-updater");
}
