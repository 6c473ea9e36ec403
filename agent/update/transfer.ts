// One HTTP exchange with a repository. A connection that breaks leaves what has arrived, and the next exchange asks for the rest.
import { Agent, type IncomingMessage, type RequestOptions, request as requestPlain } from "node:http";
import type { Socket } from "node:net";
import { HamletError } from "../../system/error.ts";
import type { Pacer } from "./pacer.ts";

/** What has arrived of one file, from one repository. */
export type Held = {
  pieces: Buffer[];
  sizeBytes: number;
  /** ETag or date of the file that the pieces are of. */
  version: string | undefined;
  /** Whether pieces come from several answers. */
  isResumed: boolean;
  /** The server has lied about ranges. */
  hasNoRanges: boolean;
};
export const nothingHeld = (): Held => ({
  ...{ pieces: [], sizeBytes: 0, version: undefined, isResumed: false, hasNoRanges: false },
});
const drop = (held: Held): void => void Object.assign(held, { ...nothingHeld(), hasNoRanges: held.hasNoRanges });

export type TransferOptions = {
  maxBytes: number;
  signal: AbortSignal;
  /** Whether the caller finds out by a digest if the file changed between two answers. */
  isNamedByDigest: boolean;
  /** Called with the bytes that the network carried for this exchange, headers included. */
  onCarried(bytes: number): void;
  stallMs: number;
  pace?: Pacer | undefined;
};

/** An idle connection ends before most servers would end it. */
const connections = new Agent({ keepAlive: true, timeout: 4_000 });
const maxRedirects = 3;
const unreachable = (url: URL, why: string, cause?: unknown) =>
  new HamletError("update.unreachable", `${url.origin} ${why}`, { cause });

/** Adds to `held` what is missing. Throws `update.notThere`, `update.badObject`, `update.unreachable`, or the system's error. */
export async function transfer(url: URL, held: Held, options: TransferOptions): Promise<void> {
  const isRange = held.sizeBytes > 0 && mayResume(held, options);
  if (!isRange) drop(held);
  const headers = {
    // Objects are compressed already, and their digests are over what is on the disk of the server.
    "accept-encoding": "identity",
    ...(isRange && { range: `bytes=${held.sizeBytes}-` }),
    ...(isRange && held.version !== undefined && { "if-range": held.version }),
  };
  const { response, done } = await answerTo(url, headers, options);
  try {
    takeHead(url, response, held, options, isRange);
    for await (const piece of response as AsyncIterable<Buffer>) {
      held.sizeBytes += piece.length;
      if (held.sizeBytes > options.maxBytes) throw tooLong(url, options.maxBytes);
      held.pieces.push(piece);
      await options.pace?.(piece.length, options.signal);
    }
  } finally {
    response.destroy();
    done();
  }
}

/** A file that may have changed is only continued if the server can tell: it has to compare a strong ETag. */
const mayResume = ({ version, hasNoRanges }: Held, { isNamedByDigest }: TransferOptions): boolean =>
  !hasNoRanges && (isNamedByDigest || version?.startsWith('"') === true);

/** Checks status and headers, and drops what the answer does not continue. */
function takeHead(url: URL, response: IncomingMessage, held: Held, options: TransferOptions, isRange: boolean): void {
  const { statusCode, headers } = response;
  if (statusCode === 404) throw new HamletError("update.notThere", `${url.href} does not exist`);
  if (isRange && statusCode === 206) {
    const [, start, end, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers["content-range"] ?? "") ?? [];
    const isRight = Number(start) === held.sizeBytes && (total === "*" || Number(end) === Number(total) - 1);
    if (!isRight) {
      Object.assign(held, { hasNoRanges: true });
      throw unreachable(url, "answers with another range than was asked for");
    }
    held.isResumed = true;
  } else if (statusCode === 200) {
    // The server has no ranges, or the file has changed: this is the whole file.
    drop(held);
    const { etag, "last-modified": date } = headers;
    held.version = etag !== undefined && !etag.startsWith("W/") ? etag : date;
  } else {
    if (statusCode === 416) drop(held);
    throw unreachable(url, `answers with HTTP ${statusCode}`);
  }
  if ((headers["content-encoding"] ?? "identity") !== "identity") throw unreachable(url, "compresses what it sends");
  // No file of a repository is a web page.
  if (headers["content-type"]?.startsWith("text/html")) {
    throw unreachable(url, "answers with a web page, as the login page of a network does");
  }
  const length = Number(headers["content-length"] ?? 0);
  if (held.sizeBytes + length > options.maxBytes) throw tooLong(url, options.maxBytes);
}

const tooLong = (url: URL, maxBytes: number): HamletError =>
  new HamletError("update.badObject", `${url.href} is longer than ${maxBytes} bytes`);

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
