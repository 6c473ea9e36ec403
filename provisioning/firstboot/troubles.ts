// What stopped root, told at once where somebody looks: on the consoles, in hamlet/report.txt on the card, and to the agent, which
// shows it on its page. What it told an earlier boot is dated by its beginning, and goes when it is over.
import { z } from "zod";
import { describeError, type ErrorCode, HamletError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import { giveJson, readJsonFrom, readTextFrom, removeFile } from "../handover/files.ts";
import type { Owner } from "../handover/folder.ts";
import { reportBlock, type Trouble } from "../handover/report.ts";
import type { Paths } from "./paths.ts";
import { putReport, sayOnConsoles } from "./voice.ts";

const One = z.object({ code: z.string(), message: z.string(), hint: z.string().default(""), since: z.number() });
/** The first of them is what a release that knows of one alone reads. */
const FirstbootReport = One.extend({ also: z.array(One).default([]) });

const provisionAgain = "provision the card again: hamlet provision <card> --neighborhood <folder> --name <name>";

/** `code`: of an error that has none. */
export function troubleOf(error: unknown, now: number, code: ErrorCode = "provision.invalid"): Trouble {
  const known = error instanceof HamletError ? error : new HamletError(code, describeError(error));
  return { code: known.code, message: known.message, hint: known.hint ?? provisionAgain, since: now };
}

/** Never throws: a full disk may have stopped both, and the journal has it either way. */
export async function tellTroubles(
  paths: Paths,
  news: readonly Trouble[],
  { board, release, agent, log }: { board: string; release: string; agent: Owner; log: Log },
): Promise<void> {
  const attempt = (what: Promise<unknown>) =>
    what.catch((error: unknown) => log.warn(`report: ${describeError(error)}`));
  const known = await readJsonFrom(paths.report, FirstbootReport).catch(() => undefined);
  const before = known ? [known, ...known.also] : [];
  const troubles = news.map((trouble) => {
    const same = before.find(({ code, message }) => code === trouble.code && message === trouble.message);
    return same ? { ...trouble, since: same.since } : trouble;
  });
  for (const { code, message } of troubles) log.error(`${code}: ${message}`);
  const [first, ...also] = troubles;
  if (!first) {
    await attempt(removeFile(paths.report));
    return;
  }
  await attempt(giveJson(paths.report, { v: 1, ...first, ...(also.length > 0 && { also }) }, agent));
  for (const { message, hint } of troubles) await attempt(sayOnConsoles(paths, `! ${message}. Next: ${hint}`));
  const name = ((await readTextFrom(paths.hostname)) ?? board).trim();
  await attempt(putReport(paths, reportBlock({ name, board, release, troubles })));
}
