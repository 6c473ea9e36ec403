// One HTTP exchange with a program that may be slow, gone or hostile: bounded in time and in size.
import { type IncomingHttpHeaders, request } from "node:http";
import type { Duplex } from "node:stream";
import { readBytes } from "../read-all.ts";

export type Where = { socketPath: string } | { host: string; port: number | string } | { createConnection(): Duplex };
export type Question = {
  path: string;
  /** Default: POST with a body, GET without one. */
  method?: "GET" | "POST";
  body?: string | Buffer;
  headers?: Record<string, string>;
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
    const signals = [question.signal, deadlineMs === undefined ? undefined : AbortSignal.timeout(deadlineMs)];
    const signal = AbortSignal.any(signals.filter((one) => one !== undefined));
    // With `agent: false` Node ignores createConnection and connects to port 80 of this computer.
    const agent = "createConnection" in where ? {} : ({ agent: false } as const);
    const asked = request({ ...where, path, method, headers, ...agent, signal });
    asked.on("error", reject);
    asked.on("response", (response) => {
      readBytes(response, maxBytes)
        .then((bytes) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes }), reject)
        // A channel into a machine stays open until somebody closes it.
        .finally(() => asked.destroy());
    });
    asked.end(body);
  });
}
