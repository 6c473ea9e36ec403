// Every code that a person can see: errors, warnings, refusals and checks, each table from its own room.
// Pure.
import { warningCauses } from "../../../agent/health/warning-causes.ts";
import { checkCauses } from "../../../ota/rollout/check-causes.ts";
import { refusalCauses } from "../../../provisioning/trust/refusal-causes.ts";
import type { Cause } from "../../../system/causes/cause.ts";
import { errorCauses } from "../../../system/causes/errors.ts";

export type ExplainedCode = Cause & {
  code: string;
  kind: "error" | "warning" | "refusal" | "check";
  severity?: string;
};

const rowsOf = (kind: ExplainedCode["kind"], causes: Record<string, Cause & { severity?: string }>): ExplainedCode[] =>
  Object.entries(causes)
    .map(([code, { cause, next, severity }]) => ({ code, kind, ...(severity && { severity }), cause, next }))
    .sort((one, other) => (one.code < other.code ? -1 : 1));

export const explainedCodes: readonly ExplainedCode[] = [
  ...rowsOf("error", errorCauses),
  ...rowsOf("warning", warningCauses),
  ...rowsOf("refusal", refusalCauses),
  ...rowsOf("check", checkCauses),
];

/** `cli/codes.md`. */
export function codesDocument(): string {
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
  const rows = (kind: ExplainedCode["kind"]) =>
    explainedCodes
      .filter((row) => row.kind === kind)
      .map(({ code, severity, cause, next }) => {
        const cells = [`\`${code}\``, ...(severity ? [severity] : []), cell(cause), cell(next)];
        return `| ${cells.join(" | ")} |`;
      });
  return [
    "# Codes",
    "",
    "What each code means and what to do. `hamlet explain <code>` prints the same. Written by `npm run docs`.",
    "",
    "## Errors",
    "",
    "A command or agent that fails names one of these.",
    "",
    "| code | cause | next step |",
    "|---|---|---|",
    ...rows("error"),
    "",
    "## Warnings",
    "",
    "A problem of a device, shown in `hamlet status`, on the page and on the device's screen.",
    "",
    "| code | severity | cause | next step |",
    "|---|---|---|---|",
    ...rows("warning"),
    "",
    "## Refusals",
    "",
    "Why a signed document was refused: the reason that `document.refused` and `record.refused` give.",
    "",
    "| code | cause | next step |",
    "|---|---|---|",
    ...rows("refusal"),
    "",
    "## Checks",
    "",
    "Why an update of a device failed or was not begun, in `hamlet update history` and `hamlet rollout status`.",
    "",
    "| code | cause | next step |",
    "|---|---|---|",
    ...rows("check"),
    "",
  ].join("\n");
}
