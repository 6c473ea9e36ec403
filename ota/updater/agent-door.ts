// The updater's side of the agent's socket: bytes that it names, what people ask, reports and evidence. The agent may be slow,
// gone or hostile: every exchange has a deadline and a size, and an object counts only if its digest is right.
import { hash } from "node:crypto";
import { Agent } from "node:http";
import {
  type BytesRequest,
  carriedHeader,
  Evidence,
  type EvidenceRequest,
  type PackedRequest,
  packedHeader,
  type UpdateReport,
  type UpdateRequest,
  updaterPaths,
  WaitAnswer,
  waitMs,
} from "../../provisioning/handover/update.ts";
import { describeError, HamletError } from "../../system/error.ts";
import { parseJson } from "../../system/files.ts";
import { free } from "../../system/free.ts";
import { errorIn } from "../../system/http/answer.ts";
import { askForBytes, type Question, type Where } from "../../system/http/ask.ts";
import { hasMoreValues } from "../../system/json-values.ts";

export type ObjectRef = { sha256: string; sizeBytes: number };
/** Called with the bytes that the network carried for an exchange, whatever came of it. */
export type OnCarried = (bytes: number) => void;
export type AgentDoor = {
  /** A file of the repository. Throws `update.notThere`, `update.unreachable`, `update.agentSilent`. */
  file(path: string, maxBytes: number): Promise<Buffer>;
  /** The content of an object. Throws `update.badObject` as well. */
  object(ref: ObjectRef, onCarried?: OnCarried): Promise<Buffer>;
  /** The content of a frame of a pack, whose dictionary goes with it, and is empty afterwards. Throws `update.noRanges` as well. */
  packed(request: PackedRequest, dictionary: Buffer, onCarried: OnCarried): Promise<Buffer>;
  /** What somebody asked for; undefined if nobody did for a while. */
  wait(report: UpdateReport): Promise<UpdateRequest | undefined>;
  report(report: UpdateReport): Promise<void>;
  evidence(request?: EvidenceRequest): Promise<Evidence>;
};

/** A megabyte takes half a minute at 256 kbit/s, and the agent goes on after an interruption. */
const bytesDeadlineMs = 300_000;
const answerDeadlineMs = 10_000;
/** A server without ranges sends the whole pack; a line slower than this one does better with chunks. */
const slowestPackBytesPerS = 16_000;
/** Far more than any object takes; the agent may claim anything. */
const maxCarriedBytes = 1 << 30;
/** The evidence of 4,096 members. */
const maxJsonBytes = 1 << 20;
const maxJsonValues = 10_000;

export function openAgentDoor(socketPath: string, { deadlineMs = bytesDeadlineMs } = {}): AgentDoor {
  const where: Where = { socketPath };
  // Thousands of objects, four at a time.
  const kept: Where = { socketPath, agent: new Agent({ keepAlive: true, maxFreeSockets: 4 }) };
  const json = async (path: string, body: object, limitMs: number) => {
    const question = { path, body: JSON.stringify(body), maxBytes: maxJsonBytes, deadlineMs: limitMs };
    const answer = await exchange(where, question);
    if (hasMoreValues(answer, maxJsonValues)) throw silent(`it says more than ${maxJsonValues} things`);
    return parseJson(answer.toString("utf8"));
  };
  const bytes = (request: BytesRequest, maxBytes: number, onCarried?: OnCarried) => {
    const question = { path: updaterPaths.bytes, body: JSON.stringify(request), maxBytes, deadlineMs };
    return exchange(kept, question, onCarried);
  };

  return {
    file: (path, maxBytes) => bytes({ kind: "file", path, maxBytes }, maxBytes),
    async object({ sha256, sizeBytes }, onCarried) {
      return checked(await bytes({ kind: "object", sha256, sizeBytes }, sizeBytes, onCarried), { sha256, sizeBytes });
    },
    async packed(request, dictionary, onCarried) {
      const question = {
        ...{ path: updaterPaths.packed, headers: { [packedHeader]: JSON.stringify(request) }, body: dictionary },
        onSent: () => free(dictionary),
        maxBytes: request.sizeBytes,
        deadlineMs: deadlineMs + Math.ceil((1000 * request.pack.sizeBytes) / slowestPackBytesPerS),
      };
      return checked(await exchange(kept, question, onCarried), request);
    },
    async wait(report) {
      const answer = WaitAnswer.safeParse(await json(updaterPaths.wait, { report }, waitMs + answerDeadlineMs));
      if (answer.success) return answer.data.request;
      throw silent("its answer is not valid");
    },
    async report(report) {
      await json(updaterPaths.report, { report }, answerDeadlineMs);
    },
    async evidence(request = {}) {
      const evidence = Evidence.safeParse(await json(updaterPaths.evidence, request, answerDeadlineMs));
      if (evidence.success) return evidence.data;
      throw silent("its evidence is not valid");
    },
  };
}

const silent = (why: string, cause?: unknown) =>
  new HamletError("update.agentSilent", `the agent does not answer: ${why}`, { cause });

function checked(content: Buffer, { sha256, sizeBytes }: ObjectRef): Buffer {
  if (content.length === sizeBytes && hash("sha256", content, "hex") === sha256) return content;
  throw new HamletError("update.badObject", `object ${sha256.slice(0, 12)} does not have that digest`);
}

/** Errors come as JSON of a few hundred bytes, whatever was asked for. */
const maxErrorBytes = 8 << 10;

async function exchange(
  where: Where,
  { maxBytes, ...question }: Question & { maxBytes: number },
  onCarried: OnCarried = () => {},
): Promise<Buffer> {
  const answered = askForBytes(where, { ...question, maxBytes: Math.max(maxBytes, maxErrorBytes) });
  const { status, headers, body } = await answered.catch((cause: unknown) => {
    throw silent(describeError(cause), cause);
  });
  onCarried(Math.max(0, Math.min(maxCarriedBytes, Math.trunc(Number(headers[carriedHeader])) || 0)));
  if (status === 200 && body.length <= maxBytes) return body;
  if (status === 200) throw silent(`it sends more than ${maxBytes} bytes`);
  const error = errorIn(parseJson(body.toString("utf8")));
  if (!error) throw silent(`it answers ${status}`);
  // Whatever exit code it has: the agent delays an update, and cannot end one.
  throw new HamletError(error.code, error.message, { ...(error.hint !== undefined && { hint: error.hint }) });
}
