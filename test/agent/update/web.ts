// A web server on loopback that holds files and misbehaves as a test tells it to.
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Web = AsyncDisposable & {
  url: string;
  files: Map<string, Buffer>;
  /** Each request that came: path, and the range that it asked for. */
  asked: string[];
  /** Answers instead of the files, while it is set. */
  behave: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  /** Sends the file as asked, ranges included. */
  send: RequestListener;
  hasRanges: boolean;
};

export async function serveWeb(files: Record<string, Buffer> = {}): Promise<Web> {
  const held = new Map(Object.entries(files));
  const asked: string[] = [];
  const send: RequestListener = (request, response) => {
    const bytes = held.get((request.url ?? "").slice(1));
    if (!bytes) return void response.writeHead(404).end("nothing here");
    const etag = `"${bytes.length}-${bytes.subarray(0, 8).toString("hex")}"`;
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const isSame = (request.headers["if-range"] ?? etag) === etag;
    if (first === undefined || !isSame || !web.hasRanges) {
      return void response.writeHead(200, { etag, "content-length": bytes.length }).end(bytes);
    }
    const part = bytes.subarray(Number(first), last ? Number(last) + 1 : undefined);
    if (part.length === 0) return void response.writeHead(416).end();
    const range = `bytes ${first}-${Number(first) + part.length - 1}/${bytes.length}`;
    response.writeHead(206, { etag, "content-length": part.length, "content-range": range }).end(part);
  };
  const server: Server = createServer((request, response) => {
    response.on("error", () => {});
    const { range } = request.headers;
    asked.push(`${request.url}${range ? ` ${range}` : ""}`);
    (web.behave ?? send)(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const web: Web = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ files: held, asked, behave: undefined, send, hasRanges: true },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return web;
}

/** Begins the file, whose head promises all of it, and breaks the connection after `sizeBytes`. */
export function breakAfter(web: Web, sizeBytes: number, headers: Record<string, string> = {}): Web["behave"] {
  return (request, response) => {
    const bytes = web.files.get((request.url ?? "").slice(1))!;
    response.writeHead(200, { "content-length": bytes.length, ...headers });
    response.write(bytes.subarray(0, sizeBytes), () => setImmediate(() => response.destroy()));
  };
}
