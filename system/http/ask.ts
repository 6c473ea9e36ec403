// One HTTP exchange with a program that may be slow, gone or hostile: bounded in time and in size.
import { type Agent, type IncomingHttpHeaders, request } from "node:http";
import type { Duplex } from "node:stream";
import { errnoOf } from "../error.ts";
import { free } from "../free.ts";
import { readBytes } from "../read-all.ts";

/** `agent` keeps connections open between exchanges. */
export type Where =
  | { socketPath: string; agent?: Agent }
  | { host: string; port: number | string }
  | { createConnection(): Duplex };
export type Question = {
  path: string;
  /** Default: POST with a body, GET without one. */
  method?: "GET" | "POST";
  body?: string | Buffer;
  headers?: Record<string, string>;
  /** The system has all of the body: its memory may be used again. */
  onSent?(): void;
  deadlineMs?: number;
  maxBytes?: number;
  /** Ends the exchange early. */
  signal?: AbortSignal;
};
export type Answer = { status: number; body: string };
export type BytesAnswer = { status: number; headers: IncomingHttpHeaders; body: Buffer };

/** The status of a hundred members with all their paths takes 300 kB. */
const maxAnswerBytes = 8 << 20;

/** Rejects with the system's error, after `deadlineMs`, and beyond `maxBytes`. */
export async function ask(where: Where, question: Question): Promise<Answer> {
  const { status, body } = await askForBytes(where, question);
  return { status, body: body.toString("utf8") };
}

class TooLate extends Error {
  constructor(deadlineMs: number) {
    super(`no answer within ${deadlineMs} ms`);
  }
}

export function askForBytes(where: Where, question: Question): Promise<BytesAnswer> {
  const {
    path,
    body,
    headers = {},
    method = body === undefined ? "GET" : "POST",
    deadlineMs,
    maxBytes = maxAnswerBytes,
  } = question;
  return new Promise((resolve, reject) => {
    // Not AbortSignal.timeout, whose timers would outlive thousands of short exchanges.
    const late = new AbortController();
    const timer =
      deadlineMs === undefined ? undefined : setTimeout(() => late.abort(new TooLate(deadlineMs)), deadlineMs);
    const signal = question.signal ? AbortSignal.any([question.signal, late.signal]) : late.signal;
    // With `agent: false` Node ignores createConnection and connects to port 80 of this computer.
    const agent = "createConnection" in where || "agent" in where ? {} : ({ agent: false } as const);
    const asked = request({ ...where, path, method, headers, ...agent, signal });
    let [isSent, isAnswered] = [false, false];
    asked.on("close", () => clearTimeout(timer));
    asked.on("error", (error) => {
      // A connection that was kept open may be closed by the other side just as we write: it has read nothing of this.
      const isStale = asked.reusedSocket && ["EPIPE", "ECONNRESET"].includes(errnoOf(error) ?? "");
      const mayRepeat = isStale && !isAnswered && !(isSent && question.onSent) && !signal.aborted;
      if (mayRepeat) resolve(askForBytes(where, question));
      else reject(error);
    });
    asked.on("finish", () => {
      isSent = true;
      question.onSent?.();
    });
    asked.on("response", (response) => {
      isAnswered = true;
      readBytes(response, maxBytes, free).then(
        (bytes) => {
          // A channel into a machine stays open until somebody closes it.
          if (!("agent" in where)) asked.destroy();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes });
        },
        (error) => {
          asked.destroy();
          reject(error);
        },
      );
    });
    asked.end(body);
  });
}
