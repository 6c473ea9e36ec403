// Datagrams by UDP, full syncs and documents by HTTP, both bound to the mesh address alone.
import { createSocket, type Socket as Datagrams } from "node:dgram";
import { Agent, createServer, type IncomingMessage, request, type Server } from "node:http";
import { isIPv6, type Socket } from "node:net";
import { sleep } from "../../system/clock.ts";
import { errnoOf, HamletError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import { readBytes } from "../../system/read-all.ts";
import { remoteAddressOf } from "../../system/remote-address.ts";
import { SYNC_BYTES } from "./messages.ts";
import { OF_ONE, Places } from "./places.ts";

export type Request = { from: string; method: string; path: string; body: Buffer };
export type Answer = { status: number; body: string };
export type Transport = {
  send(to: string, text: string): void;
  /** The body of a 200; throws for anything else, for more than `limitBytes`, and after 5 s. */
  ask(to: string, question: Question): Promise<Buffer>;
  close(): Promise<void>;
};
export type Question = { method: "GET" | "POST"; path: string; body?: string; limitBytes: number };
export type TransportOptions = {
  address: string;
  port: number;
  /** Whether a source address is a member's; anything from another is dropped unread. */
  isMember(address: string): boolean;
  onDatagram(from: string, bytes: Uint8Array): void;
  onRequest(request: Request): Promise<Answer>;
  /** How long to wait for the address to appear: the tunnel's interface may come up later. */
  deadlineMs: number;
  log: Log;
};

const RETRY_MS = 100;
const ASK_MS = 5_000;

export async function openTransport(o: TransportOptions): Promise<Transport> {
  const socket = await whenThere(o, () => bindUdp(o));
  const server = await whenThere(o, () => listenTcp(o)).catch((error) => {
    socket.close();
    throw error;
  });
  const agent = new Agent({ keepAlive: true, maxSockets: OF_ONE, maxFreeSockets: 1, timeout: ASK_MS });
  return {
    send(to, text) {
      socket.send(text, o.port, to, (error) => {
        if (error) o.log.debug(`datagram to ${to}: ${error.message}`);
      });
    },
    ask: (to, question) => ask(o, agent, to, question),
    async close() {
      agent.destroy();
      server.closeAllConnections();
      await Promise.all([
        new Promise<void>((resolve) => socket.close(resolve)),
        new Promise<unknown>((resolve) => server.close(resolve)),
      ]);
    },
  };
}

async function whenThere<T>(o: TransportOptions, open: () => Promise<T>): Promise<T> {
  for (let waitedMs = 0; ; waitedMs += RETRY_MS) {
    try {
      return await open();
    } catch (cause) {
      const at = `${o.address} port ${o.port}`;
      if (errnoOf(cause) === "EADDRINUSE") {
        const hint = "stop the program that holds it, or change cluster.port on every device";
        throw new HamletError("port.taken", `the cluster's ${at} is taken`, { hint, cause });
      }
      if (errnoOf(cause) !== "EADDRNOTAVAIL" || waitedMs >= o.deadlineMs) {
        const hint = "the mesh interface must be up and hold this address: see `ip address show`";
        throw new HamletError("cluster.failed", `cannot listen on ${at}`, { hint, cause });
      }
      await sleep(RETRY_MS);
    }
  }
}

async function bindUdp(o: TransportOptions): Promise<Datagrams> {
  const socket = createSocket({ type: isIPv6(o.address) ? "udp6" : "udp4" });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ address: o.address, port: o.port, exclusive: true }, resolve);
  }).catch((error) => {
    socket.close();
    throw error;
  });
  socket.removeAllListeners("error");
  socket.on("error", (error) => o.log.warn(`cluster socket: ${error.message}`));
  socket.on("message", (bytes, { address }) => {
    if (o.isMember(address)) o.onDatagram(address, bytes);
  });
  return socket;
}

async function listenTcp(o: TransportOptions): Promise<Server> {
  const limits = { headersTimeout: 5_000, requestTimeout: 10_000, connectionsCheckingInterval: 2_000 };
  const server = createServer({ ...limits, keepAliveTimeout: 5_000 });
  const places = new Places<Socket>((connection) => connection.destroy());
  server.on("connection", (connection: Socket) => {
    const from = remoteAddressOf(connection) ?? "";
    if (!o.isMember(from)) {
      connection.destroy();
      return;
    }
    places.take(from, connection);
    connection.once("close", () => places.free(from, connection));
  });
  server.on("clientError", (_error, connection) => connection.destroy());
  server.on("request", async (incoming, outgoing) => {
    try {
      const { method = "", url: path = "" } = incoming;
      const body = await readBytes(incoming, SYNC_BYTES);
      const answer = await o.onRequest({ from: remoteAddressOf(incoming.socket) ?? "", method, path, body });
      outgoing.writeHead(answer.status, { "content-type": "application/json" }).end(answer.body);
    } catch (error) {
      o.log.debug(`request on the mesh: ${error instanceof Error ? error.message : error}`);
      incoming.destroy();
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: o.address, port: o.port, exclusive: true }, resolve);
  });
  server.removeAllListeners("error");
  server.on("error", (error) => o.log.warn(`cluster server: ${error.message}`));
  return server;
}

async function ask(o: TransportOptions, agent: Agent, to: string, question: Question): Promise<Buffer> {
  const { method, path, body, limitBytes } = question;
  const signal = AbortSignal.timeout(ASK_MS);
  const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const options = { host: to, port: o.port, localAddress: o.address, method, path, headers, agent, signal };
    request(options, resolve).on("error", reject).end(body);
  });
  const bytes = await readBytes(incoming, limitBytes);
  if (incoming.statusCode !== 200) throw new Error(`${method} ${path}: ${incoming.statusCode}`);
  return bytes;
}
