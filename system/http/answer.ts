// How an HTTP server of ours answers a program: JSON, and one shape for every error.
import type { ServerResponse } from "node:http";
import { z } from "zod";
import { describeError, type ErrorCode, HamletError } from "../error.ts";

/** `exitCode` is what a command that was refused ends with; absent for 1. */
export const ErrorAnswer = z.object({
  code: z.string().max(64),
  message: z.string().max(2_000),
  hint: z.string().max(2_000).optional(),
  exitCode: z.int().min(1).max(4).optional(),
});
export type ErrorAnswer = z.infer<typeof ErrorAnswer>;

/** `code` is for an error that has none of its own. */
export function errorAnswer(error: unknown, code: ErrorCode = "api.refused"): ErrorAnswer {
  const { message, hint, exitCode, ...known } =
    error instanceof HamletError ? error : new HamletError(code, describeError(error));
  return {
    code: known.code,
    message: message.slice(0, 2_000),
    ...(hint !== undefined && { hint: hint.slice(0, 2_000) }),
    ...(exitCode !== 1 && { exitCode }),
  };
}

/** The error in an answer, or undefined if there is none in it. */
export function errorIn(answer: unknown): HamletError | undefined {
  const parsed = ErrorAnswer.safeParse(answer);
  if (!parsed.success) return undefined;
  const { code, message, hint, exitCode = 1 } = parsed.data;
  // A later release may send a code that this one does not know; it is passed on as it is.
  return new HamletError(code as ErrorCode, message, { ...(hint !== undefined && { hint }), exitCode });
}

export function send(response: ServerResponse, status: number, type: string, body: string | Buffer): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(response.req.method === "HEAD" ? undefined : body);
}

export const sendJson = (response: ServerResponse, status: number, value: unknown): void =>
  send(response, status, "application/json", `${JSON.stringify(value)}\n`);
