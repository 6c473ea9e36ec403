// Reads the log of the lab's web: what is in it, and what is added to it.
import { createReadStream } from "node:fs";
import { sleep } from "../../../system/clock.ts";
import { errnoOf } from "../../../system/error.ts";
import { requestsIn, type WebRequest } from "./requests.ts";

const pollMs = 250;

/** All requests so far; none if the log does not exist yet. */
export async function readRequests(path: string): Promise<WebRequest[]> {
  return (await readFrom(path, 0)).requests;
}

/** Calls `onRequest` for all requests so far and each later one, until `signal` aborts. */
export async function followRequests(
  path: string,
  onRequest: (request: WebRequest) => void,
  signal: AbortSignal,
): Promise<void> {
  let at = 0;
  while (!signal.aborted) {
    const { requests, end } = await readFrom(path, at);
    for (const request of requests) onRequest(request);
    at = end;
    await sleep(pollMs, signal).catch(() => {});
  }
}

/** The requests in whole lines from byte `start`, and where the last of them ends. */
async function readFrom(path: string, start: number): Promise<{ requests: WebRequest[]; end: number }> {
  const lines: string[] = [];
  let end = start;
  let rest = "";
  try {
    for await (const text of createReadStream(path, { start, encoding: "utf8" })) {
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      for (const line of parts) {
        lines.push(line);
        end += Buffer.byteLength(line) + 1;
      }
    }
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  return { requests: requestsIn(lines), end };
}
