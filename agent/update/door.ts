// The updater's paths on the agent's own socket, and the whole report for people. Only who may open the socket gets here.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { z } from "zod";
import {
  BytesRequest,
  carriedHeader,
  type Evidence,
  updaterPaths,
  WaitBody,
  waitMs,
} from "../../provisioning/handover/update.ts";
import { HamletError } from "../../system/error.ts";
import { explainIssues, parseJson } from "../../system/files.ts";
import { errorAnswer, send, sendJson } from "../../system/http/answer.ts";
import { readAll } from "../../system/read-all.ts";
import { badRequest } from "../api/errors.ts";
import { reportPath } from "../api/schema.ts";
import type { Handler } from "../api/server.ts";
import { type Desk, noUpdater } from "./desk.ts";
import { free } from "./free.ts";
import type { Lend } from "./lend.ts";

export type UpdaterDoorOptions = { desk: Desk; lend: Lend; evidence(): Promise<Evidence>; holdMs?: number };

/** A report with 200 lines of log and 20 ends has 100 kB. */
const maxBodyBytes = 256 << 10;

/** Serves the updater; `otherwise` serves everything else. */
export function serveUpdater(
  { desk, lend, evidence, holdMs = waitMs }: UpdaterDoorOptions,
  otherwise: Handler,
): Handler {
  const routes: Record<string, (body: unknown, response: ServerResponse) => Promise<void>> = {
    [updaterPaths.wait]: async (body, response) => {
      desk.heard(read(WaitBody, body).report);
      const handed = await desk.next(signalOf(response, holdMs));
      if (response.destroyed) return handed?.returned();
      response.once("finish", () => handed?.taken());
      response.once("close", () => {
        if (!response.writableFinished) handed?.returned();
      });
      sendJson(response, 200, handed ? { request: handed.request } : {});
    },
    [updaterPaths.report]: async (body, response) => {
      desk.heard(read(WaitBody, body).report);
      sendJson(response, 200, {});
    },
    [updaterPaths.bytes]: async (body, response) => {
      desk.heard();
      let carried = 0;
      const onCarried = (bytes: number) => {
        carried += bytes;
      };
      try {
        const bytes = await lend(read(BytesRequest, body), { signal: signalOf(response), onCarried });
        response.setHeader(carriedHeader, carried);
        response.once("finish", () => free(bytes));
        send(response, 200, "application/octet-stream", bytes);
      } catch (error) {
        response.setHeader(carriedHeader, carried);
        throw error;
      }
    },
    [updaterPaths.evidence]: async (_, response) => {
      desk.heard();
      sendJson(response, 200, await evidence());
    },
  };
  return (request, response) => {
    const { method, url = "" } = request;
    const route = method === "POST" && Object.hasOwn(routes, url) ? routes[url] : undefined;
    if (route) void serve(request, response, async () => route(await bodyOf(request), response));
    else if (method === "GET" && url === reportPath)
      void serve(request, response, async () => sendReport(desk, response));
    else otherwise(request, response);
  };
}

function sendReport(desk: Desk, response: ServerResponse): void {
  const report = desk.report();
  if (!report) throw noUpdater();
  sendJson(response, 200, report);
}

async function serve(request: IncomingMessage, response: ServerResponse, act: () => Promise<void>): Promise<void> {
  request.on("error", () => {});
  response.on("error", () => {});
  try {
    await act();
  } catch (error) {
    if (response.destroyed || response.headersSent) return void response.destroy();
    // Node would parse the unread rest of the body as the next request.
    if (!request.complete) response.shouldKeepAlive = false;
    sendJson(response, 409, errorAnswer(error));
  }
}

const bodyOf = async (request: IncomingMessage): Promise<unknown> =>
  parseJson(
    await readAll(request, maxBodyBytes).catch((cause: unknown) => {
      throw new HamletError("usage.invalid", "the request cannot be read", { cause, exitCode: 2 });
    }),
  );

function read<T extends z.ZodType>(schema: T, body: unknown): z.infer<T> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw badRequest(explainIssues(parsed.error));
  return parsed.data;
}

/** Aborts when the connection ends, or after `limitMs`. */
function signalOf(response: ServerResponse, limitMs?: number): AbortSignal {
  const over = new AbortController();
  const timer = limitMs === undefined ? undefined : setTimeout(() => over.abort(), limitMs);
  response.once("close", () => {
    clearTimeout(timer);
    over.abort(new Error("the updater has hung up"));
  });
  return over.signal;
}
