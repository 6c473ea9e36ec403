// Where other members ask for pieces: HTTP on the mesh address alone, whose source addresses the kernel enforces. What is asked meets a
// schema here; who waits, holds a connection open or reads slowly takes no more than a share of it.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { plainAddress } from "../../system/address.ts";
import type { Clock } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import { parseJson } from "../../system/files.ts";
import type { Log } from "../../system/log.ts";
import { makePacer } from "../../system/pacer.ts";
import { readAll } from "../../system/read-all.ts";
import { remoteAddressOf } from "../../system/remote-address.ts";
import { Places } from "../cluster/places.ts";
import { answers, lendPath, maxQuestionBytes, provenHeader, Question } from "./question.ts";

export type Reply = {
  /** Resolves when they are on their way, or when who asked has gone. `costBytes`: what they were made from, if that is more. */
  bytes(bytes: Buffer, isProven: boolean, costBytes?: number): Promise<void>;
  none(kind: keyof typeof answers): void;
};
export type CounterOptions = {
  address: string;
  port: number;
  /** The member with this mesh address. */
  memberAt(address: string): string | undefined;
  serve(from: string, question: Question, reply: Reply, signal: AbortSignal): Promise<void>;
  clock: Clock;
  log: Log;
  bytesPerS?: number;
};
export type Counter = { close(): Promise<void> };

/** What a Pi can send beside its other work: no ping is lost, and a large update for ten takes two minutes. */
const usualBytesPerS = 5_000_000;
/** Each answer takes work, however short it is. */
const leastBytes = 4 << 10;
const pieceBytes = 64 << 10;
/** A reader that is slower gives up its turn. */
const slowest = { bytesPerS: 16_000, extraMs: 10_000 };
const never = new AbortController().signal;

/** Throws the system's error if it cannot listen there. */
export async function openCounter(o: CounterOptions): Promise<Counter> {
  const pace = makePacer(o.bytesPerS ?? usualBytesPerS, o.clock);
  const limits = { headersTimeout: 5_000, requestTimeout: 10_000, connectionsCheckingInterval: 2_000 };
  const server = createServer({ ...limits, keepAliveTimeout: 10_000, maxHeaderSize: 4 << 10 });
  const places = new Places<Socket>((connection) => connection.destroy());
  const memberOf = (connection: Socket) => o.memberAt(plainAddress(remoteAddressOf(connection) ?? ""));

  server.on("connection", (connection: Socket) => {
    connection.on("error", () => {});
    const from = memberOf(connection);
    if (from === undefined) return void connection.destroy();
    places.take(from, connection);
    connection.once("close", () => places.free(from, connection));
  });
  server.on("clientError", (_error, connection) => connection.destroy());
  server.on("request", (request, response) => {
    response.on("error", () => {});
    answer(request, response).catch((error) => {
      o.log.debug(`a member asks: ${describeError(error)}`);
      request.destroy();
    });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const from = memberOf(request.socket);
    if (from === undefined || request.method !== "POST" || request.url !== lendPath) return void request.destroy();
    const asked = Question.safeParse(parseJson(await readAll(request, maxQuestionBytes)));
    // A later release may ask for things that this one does not know.
    if (!asked.success) return void response.writeHead(400).end();
    const gone = new AbortController();
    response.once("close", () => gone.abort(new Error("it has hung up")));
    const reply: Reply = {
      bytes(bytes, isProven, costBytes = 0) {
        if (isProven) response.setHeader(provenHeader, "1");
        return sendSlowly(bytes, Math.max(leastBytes, costBytes), response);
      },
      none: (kind) => void response.writeHead(answers[kind]).end(),
    };
    await o.serve(from, asked.data, reply, gone.signal);
  }

  /** Whoever hangs up has cost as much, and keeps its turn for as long: else it could use up the time of all others. */
  async function sendSlowly(bytes: Buffer, costBytes: number, response: ServerResponse): Promise<void> {
    await pace(Math.max(0, costBytes - bytes.length), never);
    if (response.destroyed) return;
    const limitMs = slowest.extraMs + (1000 * bytes.length) / slowest.bytesPerS;
    const late = setTimeout(() => response.destroy(), limitMs);
    const closed = new Promise<void>((resolve) => response.once("close", resolve));
    try {
      response.writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes.length });
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        // A copy: who lends frees the bytes, and the system may not have taken them yet.
        const piece = Buffer.from(bytes.subarray(at, at + pieceBytes));
        const isTaken = response.write(piece);
        if (!isTaken) await Promise.race([new Promise<void>((resolve) => response.once("drain", resolve)), closed]);
        if (response.destroyed) return;
        await pace(piece.length, never);
      }
      response.end();
    } finally {
      clearTimeout(late);
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: o.address, port: o.port, exclusive: true }, resolve);
  });
  server.removeAllListeners("error");
  server.on("error", (error) => o.log.warn(`lending: ${describeError(error)}`));
  return {
    async close() {
      server.closeAllConnections();
      await new Promise<unknown>((resolve) => server.close(resolve));
    },
  };
}
