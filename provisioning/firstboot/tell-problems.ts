// Tells what root could not do where somebody looks: on the consoles, in hamlet/report.txt on the card, and to the agent, which shows it
// on its page. A problem that an earlier boot told keeps its date, and is taken back once it is over.
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import { readTextFrom } from "../handover/files.ts";
import type { Owner } from "../handover/folder.ts";
import { giveProblems, type Problem, readProblems } from "../handover/problems.ts";
import { reportBlock } from "../handover/report.ts";
import { writeCardReport } from "./card-report.ts";
import { printOnConsoles } from "./consoles.ts";
import type { Paths } from "./paths.ts";

/** Never throws: a full disk may be the problem, and the journal has it in any case. */
export async function tellProblems(
  paths: Paths,
  found: readonly Problem[],
  { board, release, agent, log }: { board: string; release: string; agent: Owner; log: Log },
): Promise<void> {
  const attempt = (what: Promise<unknown>) =>
    what.catch((error: unknown) => log.warn(`report: ${describeError(error)}`));
  const before = await readProblems(paths.problems);
  const problems = found.map((problem) => {
    const same = before.find(({ code, message }) => code === problem.code && message === problem.message);
    return same ? { ...problem, since: same.since } : problem;
  });
  for (const { code, message } of problems) log.error(`${code}: ${message}`);
  await attempt(giveProblems(paths.problems, problems, agent));
  if (problems.length === 0) return;
  for (const { message, hint } of problems) await attempt(printOnConsoles(paths, `! ${message}. Next: ${hint}`));
  const name = ((await readTextFrom(paths.hostname)) ?? board).trim();
  await attempt(writeCardReport(paths, reportBlock({ name, board, release, problems })));
}
