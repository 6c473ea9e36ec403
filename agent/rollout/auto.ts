// The release that takes itself to this home, as the updater reports it: its publisher signed that, and the updater has verified it.
// Pure.
import { isDeepStrictEqual } from "node:util";
import type { UpdateReport } from "../../provisioning/handover/update.ts";
import type { AutoRelease } from "../../provisioning/trust/rollout-policy.ts";

/** After a start the updater has verified nothing yet: then what was known before counts. The same object if nothing has changed. */
export function autoAfter(report: UpdateReport | undefined, before: AutoRelease | undefined): AutoRelease | undefined {
  if (report?.newest === undefined) return before;
  return isDeepStrictEqual(report.auto, before) ? before : report.auto;
}
