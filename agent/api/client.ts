// Asks an agent for its status and sends it requests: through its socket, over the mesh, or through a channel into a machine.
import { UpdateReport } from "../../provisioning/handover/update.ts";
import { errnoOf, HamletError } from "../../system/error.ts";
import { explainIssues, parseJson } from "../../system/files.ts";
import { errorIn } from "../../system/http/answer.ts";
import { type Answer, ask, type Where } from "../../system/http/ask.ts";
import { mayNotAsk, noAnswer, otherVersion, publicPageOnly } from "./errors.ts";
import { OrdersTaken, ordersPath } from "./orders.ts";
import { questionsPath } from "./questions.ts";
import { handOverWithinMs, PublicStatus, type RequestPath, reportPath, Status } from "./schema.ts";

/** Sends a request; throws `device.noAnswer` or the device's refusal. */
export type SendRequest = (path: RequestPath, body: object) => Promise<void>;
export type AgentClient = {
  /** Throws `device.noAnswer`. */
  status(): Promise<Status>;
  /** The status, or what strangers see of it, by what this way to the device leads to. Throws `device.noAnswer`. */
  look(): Promise<Status | PublicStatus>;
  /** Hands in what the root has signed. Throws `device.noAnswer` or `document.refused`. */
  order(documents: readonly string[]): Promise<OrdersTaken["taken"]>;
  /** The whole report of the updater, by the device's own socket only. Throws `update.noUpdater` or `device.noAnswer`. */
  updateReport(): Promise<UpdateReport>;
  request: SendRequest;
  /** Posts what is sealed to the device; resolves to the body of an answer 200. Throws `device.noAnswer` or the device's refusal. */
  post(path: typeof questionsPath | typeof ordersPath, body: object, patience?: Patience): Promise<unknown>;
};
/** How long the device may take to answer, if that is longer than usual. */
export type Patience = { withinMs: number };
type ClientOptions = {
  /** The name of the device in messages. */
  who: string;
  where(): Where | Promise<Where>;
  deadlineMs?: number;
};

/** The agent waits this long for the updater to take a request, and answers. */
const handingOverMs = handOverWithinMs + 5_000;

export function agentClient({ who, where, deadlineMs: usualMs = 5_000 }: ClientOptions): AgentClient {
  const exchange = async (path: string, body?: object, { withinMs = 0 }: Partial<Patience> = {}): Promise<Answer> => {
    const mayHandOver = (path === "/v1/update" || path === questionsPath) && body;
    const deadlineMs = Math.max(usualMs, mayHandOver ? handingOverMs : 0, withinMs);
    const asking = async () => ask(await where(), { path, deadlineMs, ...(body && { body: JSON.stringify(body) }) });
    try {
      return await within(deadlineMs, asking());
    } catch (cause) {
      if (cause instanceof HamletError) throw cause;
      // Of a socket on this computer: it is there, and its agent may be well.
      if (errnoOf(cause) === "EACCES") throw mayNotAsk(who, cause);
      const isLate = cause instanceof Late || errnoOf(cause) === "ABORT_ERR";
      throw noAnswer(who, isLate ? `has not answered for ${deadlineMs / 1000} s` : undefined, cause);
    }
  };
  const readPage = async (): Promise<unknown> => {
    const { status, body } = await exchange("/v1/status");
    if (status !== 200) throw noAnswer(who, `answers with HTTP ${status}`);
    return parseJson(body);
  };
  /** The body of an answer 200; throws the device's refusal otherwise. */
  const send = async (
    path: RequestPath | typeof questionsPath,
    body: object,
    patience?: Patience,
  ): Promise<unknown> => {
    const answer = await exchange(path, body, patience);
    if (answer.status === 200) return parseJson(answer.body);
    throw errorIn(parseJson(answer.body)) ?? noAnswer(who, `answers with HTTP ${answer.status}`);
  };
  return {
    status: async () => readStatus(who, await readPage()),
    async look() {
      const json = await readPage();
      return PublicStatus.safeParse(json).data ?? readStatus(who, json);
    },
    async order(documents) {
      const parsed = OrdersTaken.safeParse(await send(ordersPath, { documents }));
      if (!parsed.success) throw otherVersion(explainIssues(parsed.error));
      return parsed.data.taken;
    },
    async updateReport() {
      const { status, body } = await exchange(reportPath);
      const json = parseJson(body);
      if (status !== 200) throw errorIn(json) ?? noAnswer(who, `answers with HTTP ${status}`);
      return readUpdateReport(json);
    },
    async request(path, body) {
      await send(path, body);
    },
    post: send,
  };
}

/** Throws `device.noAnswer`. */
export function readStatus(who: string, json: unknown): Status {
  const parsed = Status.safeParse(json);
  if (parsed.success) return parsed.data;
  throw PublicStatus.safeParse(json).success ? publicPageOnly(who) : otherVersion(explainIssues(parsed.error));
}

/** Throws `device.noAnswer`. */
export function readUpdateReport(json: unknown): UpdateReport {
  const parsed = UpdateReport.safeParse(json);
  if (!parsed.success) throw otherVersion(explainIssues(parsed.error));
  return parsed.data;
}

class Late extends Error {}

/** The deadline covers the way to the device too: a channel into a machine that is booting may never open. */
async function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Late()), ms);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
