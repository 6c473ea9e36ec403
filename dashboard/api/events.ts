// Live updates: server-sent events with the whole status, read once for all open pages, and only while there are any.
import type { IncomingMessage, ServerResponse } from "node:http";
import { Connections } from "../../agent/discovery/connections.ts";
import { describeError, HamletError } from "../../system/error.ts";
import { remoteAddressOf } from "../../system/remote-address.ts";

export type Events = { open(request: IncomingMessage, response: ServerResponse): void; close(): void };

const maxStreams = { perSource: 4, strangers: 32, known: 0 };
/** A browser that leaves this much unread is gone or asleep. */
const maxUnreadBytes = 256 << 10;

export function makeEvents(read: () => Promise<unknown>, everyMs: number): Events {
  const streams = new Set<ServerResponse>();
  /** No host, and no eight hosts, can take every place: if all are taken, the host with the most gives one up. */
  const places = new Connections<ServerResponse>(maxStreams, () => true);
  let timer: NodeJS.Timeout | undefined;
  let latest = "";
  const tell = (response: ServerResponse, text: string) => {
    if (response.writableLength > maxUnreadBytes) response.destroy();
    else response.write(text);
  };
  const next = async () => {
    timer = undefined;
    const text = await read().then(
      (status) => `data: ${JSON.stringify(status)}\n\n`,
      (error: unknown) => `event: trouble\ndata: ${JSON.stringify({ message: describeError(error) })}\n\n`,
    );
    latest = text;
    for (const response of streams) tell(response, text);
    if (streams.size > 0) timer ??= setTimeout(next, everyMs);
  };
  return {
    open(request, response) {
      // The agent's own socket has no remote address; only local users reach it.
      const address = remoteAddressOf(request.socket);
      const yielding = address === undefined ? undefined : places.open(response, address);
      if (yielding === response) throw new HamletError("api.refused", "too many pages are open on this device");
      yielding?.destroy();
      response.once("close", () => places.close(response));
      response.writeHead(200, { "content-type": "text/event-stream", "x-accel-buffering": "no" });
      if (request.method === "HEAD") return void response.end();
      // A page reconnects within a second or two after its device restarts.
      response.write("retry: 1500\n\n");
      const isFirst = streams.size === 0;
      streams.add(response);
      response.once("close", () => {
        streams.delete(response);
        if (streams.size > 0) return;
        clearTimeout(timer);
        timer = undefined;
      });
      if (isFirst) void next();
      else if (latest) tell(response, latest);
    },
    close() {
      clearTimeout(timer);
      for (const response of streams) response.destroy();
      streams.clear();
    },
  };
}
