// One HTTP exchange with a repository. A connection that breaks leaves what has arrived, and the next exchange asks for the rest.
import { Agent, type IncomingMessage, type RequestOptions, request as requestPlain } from "node:http";
import type { Socket } from "node:net";
import type { Pacer } from "../../system/pacer.ts";
import { askFor, type Held, takeHead, tooLong, unreachable, type Wanted } from "./held.ts";

export type TransferOptions = Wanted & {
  signal: AbortSignal;
  /** Takes each piece, with its place among what was wanted; without it they are held. */
  into?: (piece: Buffer, at: number) => Promise<void>;
  /** Called with the bytes that the network carried for this exchange, headers included. */
  onCarried(bytes: number): void;
  stallMs: number;
  pace?: Pacer | undefined;
};

/** An idle connection ends before most servers would end it. */
const connections = new Agent({ keepAlive: true, timeout: 4_000 });
const maxRedirects = 3;
/** Adds to `held` what is missing. Throws `update.notThere`, `update.noRanges`, `update.badObject`, `update.unreachable`, or the system's error. */
export async function transfer(url: URL, held: Held, options: TransferOptions): Promise<void> {
  const { asked, headers: ranges } = askFor(held, options);
  // Objects are compressed already, and their digests are over what is on the disk of the server.
  const headers = { "accept-encoding": "identity", ...ranges };
  const { response, done } = await answerTo(url, headers, options);
  try {
    takeHead(url, response, held, options, asked);
    for await (const piece of response as AsyncIterable<Buffer>) {
      const at = held.sizeBytes;
      held.sizeBytes += piece.length;
      if (held.sizeBytes > options.maxBytes) throw tooLong(url, options.maxBytes);
      if (options.into) await options.into(piece, at);
      else held.pieces.push(piece);
      await options.pace?.(piece.length, options.signal);
    }
  } finally {
    response.destroy();
    done();
  }
}

type Answered = { response: IncomingMessage; done(): void };

/** Follows redirects within the host. The caller calls `done` at the end. */
async function answerTo(url: URL, headers: RequestOptions["headers"], options: TransferOptions): Promise<Answered> {
  let at = url;
  for (let redirects = 0; ; redirects++) {
    const answered = await ask(at, headers, options);
    const { statusCode = 0, headers: got } = answered.response;
    if (![301, 302, 303, 307, 308].includes(statusCode)) return answered;
    answered.response.destroy();
    answered.done();
    const next = URL.parse(got.location ?? "", at);
    // A network's login page redirects everything to its own host.
    if (!next || !isSameHost(at, next)) throw unreachable(url, "redirects to another host");
    if (redirects === maxRedirects) throw unreachable(url, "redirects without end");
    at = next;
  }
}

const isSameHost = (from: URL, to: URL): boolean =>
  from.origin === to.origin || (from.hostname === to.hostname && from.protocol === "http:" && to.protocol === "https:");

async function ask(url: URL, headers: RequestOptions["headers"], options: TransferOptions): Promise<Answered> {
  const { signal, stallMs, onCarried } = options;
  // TLS takes memory that most devices never need: everything is signed.
  const isPlain = url.protocol === "http:";
  const request = isPlain ? requestPlain : (await import("node:https")).request;
  return new Promise((resolve, reject) => {
    const asked = request(url, { ...(isPlain && { agent: connections }), headers: { ...headers }, signal });
    let socket: Socket | undefined;
    let before = 0;
    const done = () => {
      if (socket) onCarried(socket.bytesRead + socket.bytesWritten - before);
      socket = undefined;
    };
    asked.on("socket", (given: Socket) => {
      socket = given;
      // Exchanges before this one may have used the connection.
      before = given.bytesRead + given.bytesWritten;
    });
    asked.setTimeout(stallMs, () => asked.destroy(new Error(`no byte for ${stallMs / 1000} s`)));
    asked.on("error", (error) => {
      done();
      reject(error);
    });
    asked.on("response", (response) => resolve({ response, done }));
    asked.end();
  });
}
