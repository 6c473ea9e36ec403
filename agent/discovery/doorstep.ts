// The one HTTP server that strangers on the link can reach: hello, and the public page. It gives nothing else away.
// Everything that arrives is bounded in size, time and number before anyone looks at it.
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

/** Answers a GET or HEAD; which page, by the address that was asked: the mesh address means that it came through the mesh. */
export type ServePage = (request: IncomingMessage, response: ServerResponse) => void;
type Answer = { status: number; headers: Record<string, string>; body: string | Buffer };
export type DoorstepOptions = {
  /** Where to listen, on all addresses: the hello port, and that of the page where it is wanted. */
  ports: readonly number[];
  /** Resolves to the answer for whoever proved to belong; rejects for everybody else. */
  onHello(hello: Hello, address: string): Promise<Hello>;
  page: ServePage;
  /** Whose hellos and connections have room of their own: whoever was answered becomes one of them. */
  acquaintances?: Acquaintances;
  log: Log;
  warnings: Pick<Warnings, "raise" | "clear">;
  clock?: Clock;
};
export type Doorstep = { stop(): Promise<void> };

// Thirty devices that are switched on together greet within seconds; each from its own address.
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
// A hello is one packet or two. Whoever says nothing, or says it byte by byte, has this long for each stage.
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
      const { body } = refusal(400, "hello.invalid", "this is not HTTP");
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

/** `server.maxConnections` would do for all together: then one host alone could take every place. */
function boundConnections(server: Server, acquaintances: Acquaintances): void {
  const requests = new Map<Socket, IncomingMessage>();
  // Who has said all of it waits for us; who has not may be kept waiting by himself.
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
  /** Undefined for what the page answers itself. */
  const answer = async (request: IncomingMessage): Promise<Answer | undefined> => {
    const address = withoutMapping(remoteAddressOf(request.socket) ?? "");
    const { method = "", url = "", headers } = request;
    // For GET the page checks the host itself, and answers a browser in words.
    if (method === "POST" && !isLocalHost(headers.host))
      return refusal(421, "api.refused", "this device does not answer to that name");
    if (method === "POST" && url === "/v1/hello") {
      // Only a page in a browser sends Origin, and no page has any business here.
      if (headers.origin !== undefined) return refusal(403, "api.refused", "hello is not for browsers");
      if (!mayCome(helloBucket, address)) return refusal(429, "hello.busy", "too many hellos");
      const hello = Hello.safeParse(parseJson(await readHello(request)));
      if (!hello.success) return refusal(400, "hello.invalid", explainIssues(hello.error).slice(0, 300));
      const answered = await onHello(hello.data, address);
      acquaintances.met(address);
      return json(200, answered);
    }
    if (method !== "GET" && method !== "HEAD")
      return refusal(405, "api.refused", "method not allowed: use GET or HEAD");
    if (!mayCome(pageBucket, address)) return refusal(429, "hello.busy", "too many requests");
    return undefined;
  };
  return (request: IncomingMessage, response: ServerResponse) => {
    request.on("error", () => {});
    answer(request)
      .catch((error: unknown) => {
        if (error instanceof HamletError) {
          const status = error.code === "hello.invalid" ? 400 : 403;
          return refusal(status, error.code, error.message.slice(0, 300));
        }
        log.error(`request from ${remoteAddressOf(request.socket)}: ${describeError(error)}`);
        return refusal(500, "api.refused", "this device could not answer; its log tells why");
      })
      .then((answered) => {
        if (!answered) {
          for (const [name, value] of Object.entries(strict)) response.setHeader(name, value);
          return page(request, response);
        }
        const { status, headers, body } = answered;
        // What we did not read to its end would be taken for the next request.
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
    // A hello that broke off is no fault of ours that would belong into the log.
    const why = cause instanceof TooLong ? `a hello has at most ${maxHelloBytes} bytes` : "this hello broke off";
    throw new HamletError("hello.invalid", why, { cause });
  }
}

const json = (status: number, value: unknown): Answer => ({
  status,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(value),
});
const refusal = (status: number, code: ErrorCode, message: string): Answer =>
  json(status, errorAnswer(new HamletError(code, message)));
