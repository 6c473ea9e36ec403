// The agent's own socket: HTTP for root and the group `hamlet`. Every user who may open the socket may read and change everything.
import { chmod, mkdir, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { dirname } from "node:path";
import { HamletError } from "../../system/error.ts";
import { isListening } from "../../system/unix-socket.ts";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Listens on `path` (mode 0660). Replaces a socket that a killed agent left; throws `port.taken` if another agent answers there. */
export async function startApi(path: string, handler: Handler): Promise<{ stop(): Promise<void> }> {
  await mkdir(dirname(path), { recursive: true });
  if (await isListening(path)) {
    throw new HamletError("port.taken", `another agent answers on ${path}`, {
      hint: "stop it first, or give this one its own runtimeFolder",
    });
  }
  await rm(path, { force: true });
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, handler);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(new HamletError("port.taken", `cannot listen on ${path}`, { cause })));
    server.listen(path, resolve);
  });
  await chmod(path, 0o660);
  return {
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
