// The page and the API behind it, read-only: GET / (the page), /v1/status, /v1/events (live), /metrics.
// Two kinds: the public one for strangers on the link, the full one for the mesh, for localhost and for the agent's own socket.
// The page of `hamlet open` alone also takes orders, by POST from whoever knows its key.
import { hash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { takeOrder } from "../../agent/api/requests.ts";
import type { PublicStatus, Status } from "../../agent/api/status.ts";
import { prometheusText } from "../../agent/telemetry/prometheus.ts";
import { describeError, HamletError } from "../../system/error.ts";
import { makeEvents } from "./events.ts";
import { loadPage, policyOf } from "./page.ts";
import { refusalPage, wantsHtml } from "./refusal-page.ts";
import { namesAtHome, refusal } from "./visitor.ts";

export type StatusSource = { status(): Promise<Status>; publicStatus(): PublicStatus };
export type PageKind = "public" | "full";
export type PageHandler = ((request: IncomingMessage, response: ServerResponse) => void) & {
  /** Ends the live streams, which would keep a server from closing. */
  close(): void;
};
export type PageOptions = {
  /** What is shown, as the page and /v1/status tell it. */
  read(): Promise<Status | PublicStatus>;
  /** What /metrics tells, where it exists. */
  metrics?(): Promise<string>;
  /** Host names by which this server may be asked, beside its addresses. */
  names(): string[];
  /** The page, where it is not the built one. */
  html?: string;
  eventsEveryMs?: number;
  orders?: Orders;
};
/** `key` comes in the header `x-hamlet-key`; `take` hands an order to the device, or throws its refusal. */
export type Orders = { key: string; take: Record<string, (order: object) => Promise<void>> };

/** The page of a device: `public` for the link, `full` for whatever came through the mesh or the agent's own socket. */
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

export function servePage({ read, metrics, names, orders, ...options }: PageOptions): PageHandler {
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
    // Nothing here is for another site to frame, to guess the type of, or to keep.
    response.setHeader("x-content-type-options", "nosniff");
    response.setHeader("referrer-policy", "no-referrer");
    response.setHeader("cross-origin-resource-policy", "same-origin");
    response.setHeader("cache-control", "no-store");
    response.setHeader("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
    try {
      const because = refusal(request, names);
      if (because) return sendError(response, 403, because);
      const path = (request.url ?? "/").split("?")[0] ?? "/";
      const order = request.method === "POST" ? orders?.take[path] : undefined;
      if (orders && order) {
        if (!hasKey(request, orders.key)) return sendError(response, 403, new HamletError("api.refused", wrongKey));
        return takeOrder(request, response, async (body) => {
          await order(z.looseObject({}).parse(body));
          return {};
        });
      }
      const route = routes[path];
      if (!route) return sendError(response, 404, new HamletError("api.refused", "there is no such page"));
      if (request.method !== "GET" && request.method !== "HEAD") {
        response.setHeader("allow", "GET, HEAD");
        return sendError(response, 405, new HamletError("api.refused", "this page only tells, it takes no orders"));
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

const wrongKey = "only the address that `hamlet open` prints has this page's key";

function hasKey({ headers }: IncomingMessage, key: string): boolean {
  const [given, wanted] = [headers["x-hamlet-key"] ?? "", key].map((text) => hash("sha256", String(text), "buffer"));
  return timingSafeEqual(given!, wanted!);
}

function send(response: ServerResponse, status: number, type: string, body: string | Buffer): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(response.req.method === "HEAD" ? undefined : body);
}

const sendJson = (response: ServerResponse, status: number, value: unknown): void =>
  send(response, status, "application/json", `${JSON.stringify(value)}\n`);

function sendError(response: ServerResponse, status: number, error: HamletError): void {
  const { code, message, hint } = error;
  response.setHeader("vary", "accept");
  if (wantsHtml(response.req.headers.accept)) send(response, status, "text/html; charset=utf-8", refusalPage(error));
  else sendJson(response, status, { code, message, ...(hint && { hint }) });
}
