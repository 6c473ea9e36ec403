// What a rehearsal found: go, no-go, or not rehearsed, with the reasons.
// Pure.
import { z } from "zod";
import { filledTable } from "../../../terminal/table.ts";
import { scenarioNames } from "./plan.ts";

export const Outcome = z.discriminatedUnion("verdict", [
  z.object({ verdict: z.literal("passed") }),
  z.object({
    verdict: z.literal("failed"),
    check: z.string().describe("code of the check, or what the device did not do"),
    reason: z.string(),
    log: z.array(z.string()).optional().describe("the device's last lines before it came back"),
  }),
  z.object({ verdict: z.literal("not rehearsed"), reason: z.string() }),
]);
export type Outcome = z.infer<typeof Outcome>;

export const ScenarioResult = z.object({
  name: z.enum(scenarioNames),
  device: z.string(),
  seed: z
    .int()
    .optional()
    .describe("chooses the moment of a cut and what the disk keeps, or which frames a line loses"),
  seconds: z.number().min(0),
  outcome: Outcome,
});
export type ScenarioResult = z.infer<typeof ScenarioResult>;

export const BoardResult = z.object({
  board: z.string(),
  from: z.string().optional().describe("the release that the devices came from"),
  reason: z.string().optional().describe("why nothing ran"),
  scenarios: z.array(ScenarioResult),
});
export type BoardResult = z.infer<typeof BoardResult>;

const verdicts = ["go", "no-go", "not rehearsed"] as const;
export type Verdict = (typeof verdicts)[number];

export const Rehearsal = z.object({
  v: z.literal(1),
  release: z.string(),
  seed: z.int(),
  verdict: z.enum(verdicts),
  boards: z.array(BoardResult.extend({ verdict: z.enum(verdicts) })),
  again: z.string().describe("the command that does the same once more"),
});
export type Rehearsal = z.infer<typeof Rehearsal>;

/** One failure is enough for no-go, and go needs everything to have passed. */
export function verdictOf({ scenarios, reason }: Pick<BoardResult, "scenarios" | "reason">): Verdict {
  const found = scenarios.map(({ outcome }) => outcome.verdict);
  if (found.includes("failed")) return "no-go";
  return reason === undefined && found.length > 0 && found.every((one) => one === "passed") ? "go" : "not rehearsed";
}

export function judge(of: Pick<Rehearsal, "release" | "seed" | "again">, boards: readonly BoardResult[]): Rehearsal {
  const judged = boards.map((board) => ({ ...board, verdict: verdictOf(board) }));
  const all = judged.map(({ verdict }) => verdict);
  const isGo = all.length > 0 && all.every((one) => one === "go");
  const verdict = all.includes("no-go") ? "no-go" : isGo ? "go" : "not rehearsed";
  return { v: 1, ...of, verdict, boards: judged };
}

/** 3: nobody knows yet. */
export const exitCodes: Record<Verdict, number> = { go: 0, "no-go": 4, "not rehearsed": 3 };

export function rehearsalText({ release, verdict, boards, again }: Rehearsal): string[] {
  const lines = boards.flatMap((board) => [
    `${board.board}${board.from === undefined ? "" : `, ${board.from} -> ${release}`}: ${board.verdict}${board.reason === undefined ? "" : `, ${board.reason}`}`,
    ...tableOf(board.scenarios),
    ...board.scenarios.flatMap(({ outcome }) => (outcome.verdict === "failed" ? logOf(outcome) : [])),
    "",
  ]);
  return [...lines, `${release}: ${verdict}`, `see it again: ${again}`];
}

const tableOf = (scenarios: readonly ScenarioResult[]): string[] =>
  scenarios.length === 0
    ? []
    : filledTable(
        ["SCENARIO", "DEVICE", "SEED", "SECONDS", "RESULT", "WHY"],
        scenarios.map(({ name, device, seed, seconds, outcome }) => [
          ...[name, device, seed === undefined ? "" : String(seed), seconds === 0 ? "" : seconds.toFixed(0)],
          ...[outcome.verdict, whyOf(outcome)],
        ]),
      );

function whyOf(outcome: Outcome): string {
  switch (outcome.verdict) {
    case "passed":
      return "";
    case "failed":
      return `${outcome.check}: ${outcome.reason}`;
    case "not rehearsed":
      return outcome.reason;
  }
}

const shownLines = 5;
const logOf = ({ log = [] }: { log?: string[] | undefined }): string[] =>
  log.length > 0 ? ["  its last lines:", ...log.slice(-shownLines).map((line) => `    ${line}`)] : [];
