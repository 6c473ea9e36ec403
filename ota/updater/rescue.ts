// A committed slot that no longer starts: the initrd led from it to the one that runs. Told once, like the end of an update.
import type { UpdateEnd } from "../../provisioning/handover/update.ts";
import { checks } from "./checks.ts";
import { withEnd } from "./conclude.ts";
import type { History } from "./history.ts";
import type { UpdaterParts } from "./parts.ts";
import type { Knowledge } from "./report.ts";

export async function tellRescue(
  { marks, log }: Pick<UpdaterParts, "marks" | "log">,
  { running }: Pick<Knowledge, "running">,
  history: Pick<History, "change">,
): Promise<void> {
  const rescued = await marks.rescued();
  // The slot that was to be left runs if power failed before its kernel was set aside.
  if (rescued && rescued.slot !== running.slot) {
    const check = rescued.because === "panics" ? "slot.panics" : "slot.unverified";
    const end: UpdateEnd = {
      ...{ atMs: rescued.atMs, from: rescued.version, to: running.version, outcome: "rescued" },
      ...{ check, message: checks[check] },
    };
    log.error(`slot ${rescued.slot} (release ${rescued.version}) no longer starts: ${check}: ${checks[check]}`);
    await history.change((ends) => withEnd(ends, end));
  }
  await marks.forgetRescue();
}
