// The one HTTP server that strangers on the link can reach: it serves hello and the public page, nothing else.
// Bounds everything that arrives in size, time and number before reading it.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { sourceOf, withoutMapping } from "../../system/address.ts";
import { FairBucket } from "../../system/bucket.ts";
import { type Clock, every, systemClock } from "../../system/clock.ts";
import { describeError, type ErrorCode, errnoOf, HamletError } from "../../system/error.ts";
import { explainIssues, parseJson } from "../../system/files.ts";
import { errorAnswer } from "../../system/http/answer.ts";
import { isLocalHost } from "../../system/http/visitor.ts";
import { limitLog } from "../../system/limited-log.ts";
import type { Log } from "../../system/log.ts";
import { readAll, TooLong } from "../../system/read-all.ts";
import { remoteAddressOf } from "../../system/remote-address.ts";
import type { Warnings } from "../health/warnings.ts";
import { Acquaintances } from "./acquaintances.ts";
import { Connections } from "./connections.ts";
import { Hello, maxHelloBytes } from "./hello.ts";

/** Answers GET or HEAD. The address asked decides which page: a request to the mesh address came through the mesh. */
export type ServePage = (request: IncomingMessage, response: ServerResponse) => void;
type Answer = { status: number; headers: Record<string, string>; body: string | Buffer };
export type DoorstepOptions = {
  /** Ports to listen on, at all addresses: for hello, and for the page if wanted. */
  ports: readonly number[];
  /** Resolves to the answer for a device that proved to be a member; rejects for any other. */
  onHello(hello: Hello, address: string): Promise<Hello>;
  page: ServePage;
  /** Addresses whose hellos and connections have room of their own. A device that was answered becomes one of them. */
  acquaintances?: Acquaintances;
  log: Log;
  warnings: Pick<Warnings, "raise" | "clear">;
  clock?: Clock;
};
export type Doorstep = { stop(): Promise<void> };

// Thirty devices that are switched on together greet within seconds, each from its own address.
const hellos = {
  perSource: { burst: 20, perSecond: 1 },
  perNetwork: { burst: 120, perSecond: 10 },
  known: { burst: 120, perSecond: 20 },
  maxSources: 1_024,
};
const pages = {
  perSource: { burst: 60, perSecond: 10 },
  perNetwork: { burst: 240, perSecond: 50 },
  known: { burst: 240, perSecond: 50 },
  maxSources: 1_024,
};
// A browser opens six at a time, and one stays open for the live page.
const maxConnections = { perSource: 8, strangers: 64, known: 32 };
// A hello is one packet or two. A client that sends nothing, or byte by byte, has this long for each stage.
const stages = {
  headersTimeout: 3_000,
  requestTimeout: 6_000,
  connectionsCheckingInterval: 500,
  keepAliveTimeout: 2_000,
};
const retryPortMs = 10_000;

const strict = {
  "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
};

export async function startDoorstep(options: DoorstepOptions): Promise<Doorstep> {
  const { ports, warnings, clock = systemClock, acquaintances = new Acquaintances() } = options;
  const log = limitLog(options.log, { clock });
  const handle = makeHandler({ ...options, log, clock, acquaintances });
  const servers = ports.map((port) => {
    const server = createServer(stages, handle);
    boundConnections(server, acquaintances);
    server.maxHeadersCount = 64;
    server.maxRequestsPerSocket = 100;
    server.on("clientError", (_error, socket) => {
      if (!socket.writable) return socket.destroy();
      const { body } = failure(400, "hello.invalid", "this is not HTTP");
      socket.end(
        `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
      );
    });
    return { server, port };
  });
  const listen = async ({ server, port }: { server: Server; port: number }) => {
    try {
      await open(server, port);
      warnings.clear("port.taken", String(port));
    } catch (error) {
      const why = errnoOf(error) === "EADDRINUSE" ? "is in use by another program" : describeError(error);
      warnings.raise("port.taken", `TCP port ${port} ${why}`, `find it with: ss -ltnp sport = :${port}`, String(port));
    }
  };
  await Promise.all(servers.map(listen));
  const retrying = every(
    retryPortMs,
    () => Promise.all(servers.filter(({ server }) => !server.listening).map(listen)),
    (error) => log.error(describeError(error)),
    0.2,
  );
  return {
    async stop() {
      retrying.stop();
      await Promise.all(
        servers.map(({ server }) => {
          server.closeAllConnections();
          return new Promise((resolve) => server.close(resolve));
        }),
      );
    },
  };
}

/** `server.maxConnections` counts all together: one host could take every place. */
function boundConnections(server: Server, acquaintances: Acquaintances): void {
  const requests = new Map<Socket, IncomingMessage>();
  // A finished request waits for us; an unfinished one waits for its sender, and goes first.
  const isUnfinished = (socket: Socket) => !requests.get(socket)?.complete;
  const connections = new Connections<Socket>(maxConnections, isUnfinished);
  server.on("connection", (socket: Socket) => {
    const address = remoteAddressOf(socket);
    if (address === undefined) return void socket.destroy();
    socket.once("close", () => connections.close(socket));
    connections.open(socket, address, acquaintances.knows(address))?.destroy();
  });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    requests.set(socket, request);
    response.once("close", () => requests.delete(socket));
  });
}

const open = (server: Server, port: number) =>
  new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host: "::" }, () => {
      server.off("error", reject);
      resolve();
    });
  });

type HandlerOptions = Pick<DoorstepOptions, "onHello" | "page" | "log"> & {
  clock: Clock;
  acquaintances: Acquaintances;
};

function makeHandler({ onHello, page, log, clock, acquaintances }: HandlerOptions) {
  const helloBucket = new FairBucket(hellos);
  const pageBucket = new FairBucket(pages);
  const mayCome = (bucket: FairBucket, address: string) =>
    bucket.admits(sourceOf(address), clock.monotonic(), acquaintances.knows(address));
  /** Returns undefined for a request that the page answers. */
  const answer = async (request: IncomingMessage): Promise<Answer | undefined> => {
    const address = withoutMapping(remoteAddressOf(request.socket) ?? "");
    const { method = "", url = "", headers } = request;
    // The page checks GET requests itself, and answers in a browser's terms.
    if (method === "POST" && !isLocalHost(headers.host))
      return failure(421, "api.refused", "this device does not answer to that name");
    if (method === "POST" && url === "/v1/hello") {
      // Only a page in a browser sends Origin, and no page may say hello.
      if (headers.origin !== undefined) return failure(403, "api.refused", "hello is not for browsers");
      if (!mayCome(helloBucket, address)) return failure(429, "hello.busy", "too many hellos");
      const hello = Hello.safeParse(parseJson(await readHello(request)));
      if (!hello.success) return failure(400, "hello.invalid", explainIssues(hello.error).slice(0, 300));
      const answered = await onHello(hello.data, address);
      acquaintances.met(address);
      return json(200, answered);
    }
    if (method !== "GET" && method !== "HEAD")
      return failure(405, "api.refused", "method not allowed: use GET or HEAD");
    if (!mayCome(pageBucket, address)) return failure(429, "hello.busy", "too many requests");
    return undefined;
  };
  return (request: IncomingMessage, response: ServerResponse) => {
    request.on("error", () => {});
    answer(request)
      .catch((error: unknown) => {
        if (error instanceof HamletError) {
          const status = error.code === "hello.invalid" ? 400 : 403;
          return failure(status, error.code, error.message.slice(0, 300));
        }
        log.error(`request from ${remoteAddressOf(request.socket)}: ${describeError(error)}`);
        return failure(500, "api.refused", "this device could not answer; see its log");
      })
      .then((answered) => {
        if (!answered) {
          for (const [name, value] of Object.entries(strict)) response.setHeader(name, value);
          return page(request, response);
        }
        const { status, headers, body } = answered;
        // Close the connection: the rest of an unread body would be taken for the next request.
        if (!request.complete) response.shouldKeepAlive = false;
        response.writeHead(status, { ...strict, ...headers, "content-length": Buffer.byteLength(body) });
        response.end(request.method === "HEAD" ? undefined : body);
      })
      .catch((error: unknown) => {
        log.error(describeError(error));
        response.destroy();
      });
  };
}

async function readHello(request: IncomingMessage): Promise<string> {
  try {
    return await readAll(request, maxHelloBytes);
  } catch (cause) {
    // A hello that ended early is no fault of ours to log.
    const why = cause instanceof TooLong ? `a hello has at most ${maxHelloBytes} bytes` : "the hello ended early";
    throw new HamletError("hello.invalid", why, { cause });
  }
}

const json = (status: number, value: unknown): Answer => ({
  status,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(value),
});
const failure = (status: number, code: ErrorCode, message: string): Answer =>
  json(status, errorAnswer(new HamletError(code, message)));
