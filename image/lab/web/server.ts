// A web server for the files of one folder: what an update repository needs of any web server. It serves no listings, and nothing
// outside the folder.
import { constants } from "node:fs";
import { type FileHandle, open, realpath } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { join, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { send } from "../../../system/http/answer.ts";
import { remoteAddressOf } from "../../../system/remote-address.ts";
import { spanOf } from "./range.ts";
import type { WebRequest } from "./requests.ts";

type Served = { folder: string; now(): number; onRequest(request: WebRequest): void };

export function serveFolder({ folder, now, onRequest }: Served): Server {
  return createServer(async (request, response) => {
    const startedMs = now();
    const { method = "", url: path = "", socket } = request;
    const client = (remoteAddressOf(socket) ?? "").replace(/^::ffff:/, "");
    const range = request.headers.range;
    // A visitor that hangs up is no error of ours.
    const bytes = await answer(folder, request, response).catch(() => void response.destroy());
    const atMs = now();
    onRequest({
      ...{ atMs, client, method, path, status: response.statusCode, bytes: bytes ?? 0, ms: atMs - startedMs },
      ...(range !== undefined && { range }),
    });
  });
}

/** Returns how many bytes of the body it wrote. */
async function answer(folder: string, request: IncomingMessage, response: ServerResponse): Promise<number> {
  const { method, url = "", headers } = request;
  // RFC 9110 14.2: a range is of GET only.
  const range = method === "GET" ? headers.range : undefined;
  if (method !== "GET" && method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return refuse(response, 405);
  }
  await using file = await openBelow(folder, url);
  if (!file) return refuse(response, 404);
  const { size, mtimeNs, ino } = await file.stat({ bigint: true });
  const sizeBytes = Number(size);
  const etag = `"${ino.toString(16)}-${mtimeNs.toString(16)}-${size.toString(16)}"`;
  response.setHeader("etag", etag).setHeader("accept-ranges", "bytes");
  if (headers["if-none-match"] === etag) {
    response.writeHead(304).end();
    return 0;
  }
  // Another file by now: the part that the client has does not belong to it, so it gets the whole.
  const isSame = headers["if-range"] === undefined || headers["if-range"] === etag;
  const span = spanOf(isSame ? range : undefined, sizeBytes);
  if (span === "none") {
    response.setHeader("content-range", `bytes */${sizeBytes}`);
    return refuse(response, 416);
  }
  const { first, length } = span === "whole" ? { first: 0, length: sizeBytes } : span;
  response.writeHead(span === "whole" ? 200 : 206, {
    "content-type": url.endsWith(".json") ? "application/json" : "application/octet-stream",
    "content-length": length,
    ...(span !== "whole" && { "content-range": `bytes ${first}-${first + length - 1}/${sizeBytes}` }),
  });
  if (method === "HEAD" || length === 0) {
    response.end();
    return 0;
  }
  // Awaited here, because the file is closed on return.
  return await copy(file, first, length, response);
}

/** Counts what went into the connection, also when the client hangs up in the middle. */
async function copy(file: FileHandle, first: number, length: number, response: ServerResponse): Promise<number> {
  const { socket } = response;
  response.flushHeaders();
  const before = socket?.bytesWritten ?? 0;
  const source = file.createReadStream({ start: first, end: first + length - 1, autoClose: false });
  await pipeline(source, response).catch(() => {});
  return Math.min(length, Math.max(0, (socket?.bytesWritten ?? 0) - before));
}

function refuse(response: ServerResponse, status: number): number {
  send(response, status, "text/plain", "");
  return 0;
}

/** A regular file below `folder`; undefined for all else, also for a link that leads out. */
async function openBelow(folder: string, url: string): Promise<FileHandle | undefined> {
  const path = plainPath(url);
  if (path === undefined) return undefined;
  const home = await realpath(folder).catch(() => undefined);
  const real = home && (await realpath(join(home, path)).catch(() => undefined));
  if (home === undefined || real === undefined || !real.startsWith(home + sep)) return undefined;
  // O_NONBLOCK: opening a FIFO would wait for whoever writes to it.
  const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => undefined,
  );
  if (!file || (await file.stat()).isFile()) return file;
  await file.close();
  return undefined;
}

/** The path in a request, decoded. Undefined if a word of it could mean anything but a name. */
function plainPath(url: string): string | undefined {
  const [raw = ""] = url.split(/[?#]/, 1);
  try {
    const words = raw.split("/").slice(1).map(decodeURIComponent);
    const isPlain = raw.startsWith("/") && words.every((word) => !/^\.{0,2}$|[/\\\0]/.test(word));
    return isPlain ? words.join("/") : undefined;
  } catch {
    return undefined;
  }
}
