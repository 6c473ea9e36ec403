// What the lab's web prints: one line when it listens, then one a request. The lab keeps the latter as its log.
import { z } from "zod";
import { parseJson } from "../../../system/files.ts";

export const listening = "listening";

export const WebRequest = z.object({
  atMs: z.number().describe("when the answer ended, in ms since 1970"),
  client: z.string().describe("address on the lab's LAN"),
  method: z.string(),
  path: z.string().describe("as the client wrote it"),
  range: z.string().exactOptional(),
  status: z.int(),
  bytes: z.int().min(0).describe("of the body that were handed to the client's connection"),
  ms: z.number().min(0),
});
export type WebRequest = z.infer<typeof WebRequest>;

/** The requests in lines of the log; skips what is none. */
export const requestsIn = (lines: string[]): WebRequest[] =>
  lines.flatMap((line) => WebRequest.safeParse(parseJson(line)).data ?? []);

export type Taker = { client: string; requests: number; bytes: number };

/** Who took how much, in the order of their first request. */
export function takersOf(requests: WebRequest[]): Taker[] {
  const takers = new Map<string, Taker>();
  for (const { client, bytes } of requests) {
    const taker = takers.get(client) ?? { client, requests: 0, bytes: 0 };
    takers.set(client, { client, requests: taker.requests + 1, bytes: taker.bytes + bytes });
  }
  return [...takers.values()];
}
