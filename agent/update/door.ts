// The updater's paths on the agent's own socket, and the whole report for people. Only who may open the socket gets here.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { z } from "zod";
import {
  BytesRequest,
  carriedHeader,
  type Evidence,
  EvidenceRequest,
  maxPackedBodyBytes,
  PackedRequest,
  packedHeader,
  updaterPaths,
  WaitBody,
  waitMs,
} from "../../provisioning/handover/update.ts";
import { HamletError } from "../../system/error.ts";
import { explainIssues, parseJson } from "../../system/files.ts";
import { free } from "../../system/free.ts";
import { errorAnswer, send, sendJson } from "../../system/http/answer.ts";
import { readAll, readBytes } from "../../system/read-all.ts";
import { badRequest } from "../api/errors.ts";
import { reportPath } from "../api/schema.ts";
import type { Handler } from "../api/server.ts";
import { type Desk, noUpdater } from "./desk.ts";
import type { Lend, Unpack } from "./lend.ts";

export type UpdaterDoorOptions = {
  desk: Desk;
  lend: Lend;
  evidence(request: EvidenceRequest): Promise<Evidence>;
  holdMs?: number;
};

/** A report usually has a few kB. An updater whose report is refused hears no request either, so the longest one fits: 750 kB. */
const maxBodyBytes = 1 << 20;

/** Serves the updater; `otherwise` serves everything else. */
export function serveUpdater(
  { desk, lend, evidence, holdMs = waitMs }: UpdaterDoorOptions,
  otherwise: Handler,
): Handler {
  const routes: Record<string, (request: IncomingMessage, response: ServerResponse) => Promise<void>> = {
    async [updaterPaths.wait](request, response) {
      desk.heard((await read(WaitBody, request)).report);
      const handed = await desk.next(signalOf(response, holdMs));
      if (response.destroyed) return handed?.returned();
      response.once("finish", () => handed?.taken());
      response.once("close", () => {
        if (!response.writableFinished) handed?.returned();
      });
      sendJson(response, 200, handed ? { request: handed.request } : {});
    },
    async [updaterPaths.report](request, response) {
      desk.heard((await read(WaitBody, request)).report);
      sendJson(response, 200, {});
    },
    async [updaterPaths.bytes](request, response) {
      desk.heard();
      await sendLent(await read(BytesRequest, request), response);
    },
    async [updaterPaths.packed](request, response) {
      desk.heard();
      const wanted = check(PackedRequest, parseJson(String(request.headers[packedHeader] ?? "")));
      const dictionary = await readBytes(request, maxPackedBodyBytes, free).catch(unreadable);
      await sendLent({ ...wanted, kind: "packed", dictionary }, response);
    },
    async [updaterPaths.evidence](request, response) {
      desk.heard();
      sendJson(response, 200, await evidence(await read(EvidenceRequest, request)));
    },
  };
  async function sendLent(wanted: BytesRequest | Unpack, response: ServerResponse): Promise<void> {
    let carried = 0;
    const onCarried = (bytes: number) => {
      carried += bytes;
    };
    try {
      const bytes = await lend(wanted, { signal: signalOf(response), onCarried });
      response.setHeader(carriedHeader, carried);
      response.once("finish", () => free(bytes));
      send(response, 200, "application/octet-stream", bytes);
    } catch (error) {
      response.setHeader(carriedHeader, carried);
      throw error;
    }
  }
  return (request, response) => {
    const { method, url = "" } = request;
    const route = method === "POST" && Object.hasOwn(routes, url) ? routes[url] : undefined;
    if (route) void serve(request, response, () => route(request, response));
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

function unreadable(cause: unknown): never {
  throw new HamletError("usage.invalid", "the request cannot be read", { cause, exitCode: 2 });
}

const read = async <T extends z.ZodType>(schema: T, request: IncomingMessage): Promise<z.infer<T>> =>
  check(schema, parseJson(await readAll(request, maxBodyBytes).catch(unreadable)));

function check<T extends z.ZodType>(schema: T, body: unknown): z.infer<T> {
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
