// What root could not do, for the agent to show as warnings: `firstboot.json` in the agent's folder. Root removes it once all is well.
import { z } from "zod";
import { describeError, type ErrorCode, HamletError } from "../../system/error.ts";
import { giveJson, readJsonFrom, removeFile } from "./files.ts";
import type { Owner } from "./folder.ts";

const provisionCardAgain = "provision the card again: hamlet provision <card> --neighborhood <folder> --name <name>";

export const Problem = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().default(provisionCardAgain),
  since: z.number().describe("ms since 1970"),
});
export type Problem = z.infer<typeof Problem>;
/** A release that knows of one problem alone reads the first. */
const ProblemReport = Problem.extend({ also: z.array(Problem).max(16).default([]) });

/** `code`: for an error that has none of its own. */
export function problemOf(error: unknown, now: number, code: ErrorCode = "provision.invalid"): Problem {
  const known = error instanceof HamletError ? error : new HamletError(code, describeError(error));
  return { code: known.code, message: known.message, hint: known.hint ?? provisionCardAgain, since: now };
}

/** None also for a report that cannot be read: it only informs. */
export async function readProblems(path: string): Promise<Problem[]> {
  const report = await readJsonFrom(path, ProblemReport).catch(() => undefined);
  if (!report) return [];
  const { also, ...first } = report;
  return [first, ...also];
}

/** Replaces the report that is there, or removes it where nothing is wrong. */
export async function giveProblems(path: string, problems: readonly Problem[], agent: Owner): Promise<void> {
  const [first, ...also] = problems;
  if (!first) return await removeFile(path);
  await giveJson(path, { v: 1, ...first, ...(also.length > 0 && { also }) }, agent);
}
