// Live updates: server-sent events with the whole status, read once for all who listen and only while somebody does.
import type { IncomingMessage, ServerResponse } from "node:http";
import { sourceOf } from "../agent/discovery/limiter.ts";
import { describeError, HamletError } from "../system/error.ts";

export type Events = { open(request: IncomingMessage, response: ServerResponse): void; close(): void };

const maxStreams = 32;
const maxPerSource = 4;
/** A reader that lets this much lie unread is gone or asleep. */
const maxUnreadBytes = 256 << 10;

export function makeEvents(read: () => Promise<unknown>, everyMs: number): Events {
  /** With who reads: one host must not take every place. */
  const streams = new Map<ServerResponse, string | undefined>();
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
    for (const response of streams.keys()) tell(response, text);
    if (streams.size > 0) timer ??= setTimeout(next, everyMs);
  };
  return {
    open(request, response) {
      // No address: the agent's own socket, which only this device's people reach.
      const address = request.socket.remoteAddress;
      const source = address && sourceOf(address);
      const own = source ? [...streams.values()].filter((other) => other === source).length : 0;
      if (streams.size >= maxStreams || own >= maxPerSource)
        throw new HamletError("api.refused", "too many pages are open on this device");
      response.writeHead(200, { "content-type": "text/event-stream", "x-accel-buffering": "no" });
      if (request.method === "HEAD") return void response.end();
      // A page whose device restarts is back within a second or two.
      response.write("retry: 1500\n\n");
      const isFirst = streams.size === 0;
      streams.set(response, source);
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
      for (const response of streams.keys()) response.destroy();
      streams.clear();
    },
  };
}
