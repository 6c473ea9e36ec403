// Serves the page and its API, read-only: GET / (the page), /v1/status, /v1/events (live), /metrics.
// There are two kinds: the public page for strangers on the link, the full page for the mesh, for localhost and for the agent's
// own socket. Only the page of `hamlet open` also has buttons (buttons.ts).
import type { IncomingMessage, ServerResponse } from "node:http";
import type { StatusSource } from "../../agent/api/own-status.ts";
import type { PublicStatus, Status } from "../../agent/api/schema.ts";
import { prometheusText } from "../../agent/telemetry/prometheus.ts";
import { describeError, HamletError } from "../../system/error.ts";
import { errorAnswer, send, sendJson } from "../../system/http/answer.ts";
import { namesAtHome, refusal } from "../../system/http/visitor.ts";
import { answerButton, type Buttons } from "./buttons.ts";
import { makeEvents } from "./events.ts";
import { loadPage, policyOf } from "./page.ts";
import { refusalPage, wantsHtml } from "./refusal-page.ts";

export type PageKind = "public" | "full";
export type PageHandler = ((request: IncomingMessage, response: ServerResponse) => void) & {
  /** Ends the live streams, which would keep the server open. */
  close(): void;
};
export type PageOptions = {
  /** What the page and /v1/status show. */
  read(): Promise<Status | PublicStatus>;
  /** What /metrics shows; without it there is no such path. */
  metrics?(): Promise<string>;
  /** The host names to answer to, beside the server's addresses. */
  names(): string[];
  /** Default: the built page. */
  html?: string;
  eventsEveryMs?: number;
  buttons?: Buttons;
};

/** The page of a device: `public` for the link, `full` for what came through the mesh or the agent's own socket. */
export function makePageHandler(
  source: StatusSource,
  kind: PageKind,
  options: Pick<PageOptions, "html" | "eventsEveryMs"> = {},
): PageHandler {
  const name = () => source.publicStatus().name;
  return kind === "full"
    ? servePage({
        read: () => source.status(),
        metrics: async () => prometheusText(await source.status()),
        names: () => [`${name()}.hamlet.internal`, "hamlet.internal", name()],
        ...options,
      })
    : servePage({
        read: async () => source.publicStatus(),
        names: () => namesAtHome(name()),
        ...options,
      });
}

export function servePage({ read, metrics, names, buttons, ...options }: PageOptions): PageHandler {
  const html = Buffer.from(options.html ?? loadPage());
  const policy = policyOf(html.toString("utf8"));
  const events = makeEvents(read, options.eventsEveryMs ?? 2_000);

  const routes: Record<string, (request: IncomingMessage, response: ServerResponse) => unknown> = {
    "/": (_request, response) => {
      response.setHeader("content-security-policy", policy);
      send(response, 200, "text/html; charset=utf-8", html);
    },
    "/v1/status": async (_request, response) => sendJson(response, 200, await read()),
    "/v1/events": (request, response) => events.open(request, response),
    ...(metrics && {
      "/metrics": async (_request: IncomingMessage, response: ServerResponse) =>
        send(response, 200, "text/plain; version=0.0.4; charset=utf-8", await metrics()),
    }),
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // No other site may frame this, guess its type or keep it.
    response.setHeader("x-content-type-options", "nosniff");
    response.setHeader("referrer-policy", "no-referrer");
    response.setHeader("cross-origin-resource-policy", "same-origin");
    response.setHeader("cache-control", "no-store");
    response.setHeader("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
    try {
      const because = refusal(request, names);
      if (because) return sendError(response, 403, because);
      const path = (request.url ?? "/").split("?")[0] ?? "/";
      if (buttons && (await answerButton(request, response, path, buttons).catch(refuse(response)))) return;
      const route = routes[path];
      if (!route) return sendError(response, 404, new HamletError("api.refused", "no such page"));
      if (request.method !== "GET" && request.method !== "HEAD") {
        response.setHeader("allow", "GET, HEAD");
        return sendError(response, 405, new HamletError("api.refused", "method not allowed: use GET or HEAD"));
      }
      await route(request, response);
    } catch (error) {
      if (response.headersSent) return void response.destroy();
      const known = error instanceof HamletError ? error : new HamletError("api.refused", describeError(error));
      sendError(response, 503, known);
    }
  };
  return Object.assign(
    (request: IncomingMessage, response: ServerResponse): void => {
      response.on("error", () => {});
      void handle(request, response);
    },
    { close: events.close },
  );
}

/** Answers with 403. */
const refuse = (response: ServerResponse) => (error: unknown) => {
  if (!(error instanceof HamletError)) throw error;
  sendError(response, 403, error);
  return true;
};

function sendError(response: ServerResponse, status: number, error: HamletError): void {
  response.setHeader("vary", "accept");
  if (wantsHtml(response.req.headers.accept)) send(response, status, "text/html; charset=utf-8", refusalPage(error));
  else sendJson(response, status, errorAnswer(error));
}
