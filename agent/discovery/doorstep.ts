// The one HTTP server that strangers on the link can reach: it serves hello, the owner's orders and
// questions, and the public page, nothing else.
// Bounds everything that arrives in size, time and number before reading it.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type Clock, every, systemClock } from "../../system/clock.ts";
import { describeError, errnoOf } from "../../system/error.ts";
import { limitLog } from "../../system/limited-log.ts";
import type { Log } from "../../system/log.ts";
import { remoteAddressOf } from "../../system/remote-address.ts";
import type { Warnings } from "../health/warnings.ts";
import { Acquaintances } from "./acquaintances.ts";
import { Connections } from "./connections.ts";
import { type DoorOptions, failure, makeDoor } from "./door.ts";

export type DoorstepOptions = Pick<DoorOptions, "hear" | "onOrders" | "onSealedOrders" | "onQuestion" | "page"> & {
  /** Ports to listen on, at all addresses: for hello, and for the page if wanted. */
  ports: readonly number[];
  /** Addresses whose hellos and connections have room of their own. A device that was answered becomes one of them. */
  acquaintances?: Acquaintances;
  log: Log;
  warnings: Pick<Warnings, "raise" | "clear">;
  clock?: Clock;
};
export type Doorstep = { stop(): Promise<void> };

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

export async function startDoorstep(options: DoorstepOptions): Promise<Doorstep> {
  const { ports, warnings, clock = systemClock, acquaintances = new Acquaintances() } = options;
  const log = limitLog(options.log, { clock });
  const handle = makeDoor({ ...options, log, clock, acquaintances });
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
