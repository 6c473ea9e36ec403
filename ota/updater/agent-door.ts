// The updater's side of the agent's socket: bytes that it names, what people ask, reports and evidence. The agent may be slow,
// gone or hostile: every exchange has a deadline and a size, and an object counts only if its digest is right.
import { hash } from "node:crypto";
import {
  type BytesRequest,
  carriedHeader,
  Evidence,
  type UpdateReport,
  type UpdateRequest,
  updaterPaths,
  WaitAnswer,
  waitMs,
} from "../../provisioning/handover/update.ts";
import { describeError, HamletError } from "../../system/error.ts";
import { parseJson } from "../../system/files.ts";
import { errorIn } from "../../system/http/answer.ts";
import { askForBytes, type BytesAnswer, type Where } from "../../system/http/ask.ts";

export type ObjectRef = { sha256: string; sizeBytes: number };
export type Fetched = { content: Buffer; carriedBytes: number };
export type AgentDoor = {
  /** A file of the repository. Throws `update.notThere`, `update.unreachable`, `update.agentSilent`. */
  file(path: string, maxBytes: number): Promise<Buffer>;
  /** The content of an object, and how many bytes the network carried for it. Throws `update.badObject` as well. */
  object(ref: ObjectRef): Promise<Fetched>;
  /** What somebody asked for; undefined if nobody did for a while. */
  wait(report: UpdateReport): Promise<UpdateRequest | undefined>;
  report(report: UpdateReport): Promise<void>;
  evidence(): Promise<Evidence>;
};

/** A megabyte takes half a minute at 256 kbit/s, and the agent goes on after an interruption. */
const bytesDeadlineMs = 300_000;
const answerDeadlineMs = 10_000;
/** Far more than any object takes; the agent may claim anything. */
const maxCarriedBytes = 1 << 30;
/** The evidence of 4,096 members. */
const maxJsonBytes = 1 << 20;

export function openAgentDoor(socketPath: string, { deadlineMs = bytesDeadlineMs } = {}): AgentDoor {
  const where: Where = { socketPath };
  const json = async (path: string, body: object, limitMs: number) =>
    parseJson((await exchange(where, path, body, maxJsonBytes, limitMs)).body.toString("utf8"));
  const bytes = (request: BytesRequest, maxBytes: number) =>
    exchange(where, updaterPaths.bytes, request, maxBytes, deadlineMs);

  return {
    file: async (path, maxBytes) => (await bytes({ kind: "file", path, maxBytes }, maxBytes)).body,
    async object({ sha256, sizeBytes }) {
      const { body: content, headers } = await bytes({ kind: "object", sha256, sizeBytes }, sizeBytes);
      const carriedBytes = Math.min(maxCarriedBytes, Math.trunc(Number(headers[carriedHeader])) || 0);
      const isRight = content.length === sizeBytes && hash("sha256", content, "hex") === sha256;
      if (isRight) return { content, carriedBytes: Math.max(0, carriedBytes) };
      throw new HamletError("update.badObject", `object ${sha256.slice(0, 12)} does not have that digest`);
    },
    async wait(report) {
      const answer = WaitAnswer.safeParse(await json(updaterPaths.wait, { report }, waitMs + answerDeadlineMs));
      if (answer.success) return answer.data.request;
      throw silent("its answer is not valid");
    },
    async report(report) {
      await json(updaterPaths.report, { report }, answerDeadlineMs);
    },
    async evidence() {
      const evidence = Evidence.safeParse(await json(updaterPaths.evidence, {}, answerDeadlineMs));
      if (evidence.success) return evidence.data;
      throw silent("its evidence is not valid");
    },
  };
}

const silent = (why: string, cause?: unknown) =>
  new HamletError("update.agentSilent", `the agent does not answer: ${why}`, { cause });

/** Errors come as JSON of a few hundred bytes, whatever was asked for. */
const maxErrorBytes = 8 << 10;

async function exchange(
  where: Where,
  path: string,
  body: object,
  maxBytes: number,
  deadlineMs: number,
): Promise<BytesAnswer> {
  const limits = { deadlineMs, maxBytes: Math.max(maxBytes, maxErrorBytes) };
  const answer = await askForBytes(where, { path, body: JSON.stringify(body), ...limits }).catch((cause: unknown) => {
    throw silent(describeError(cause), cause);
  });
  if (answer.status === 200 && answer.body.length <= maxBytes) return answer;
  if (answer.status === 200) throw silent(`it sends more than ${maxBytes} bytes`);
  throw errorIn(parseJson(answer.body.toString("utf8"))) ?? silent(`it answers ${answer.status}`);
}
