// The messages on the lab's virtio-serial port, one JSON text per line. After a reset either side may begin in the middle of a
// message; the next line feed puts it back in step.
import type { Duplex } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { z } from "zod";
import { ExecRequest } from "../../../system/doors.ts";
import { explainIssues, parseJson } from "../../../system/files.ts";

/** A lane is one direction of a stream: 0 towards the program or socket, 1 its output, 2 a program's stderr. */
export type Lane = 0 | 1 | 2;

const stream = z.int().min(1);
const lane = z.union([z.literal(0), z.literal(1), z.literal(2)]);

export const Message = z.discriminatedUnion("t", [
  // The client names a session; messages before the `ready` with that name belong to an older one.
  z.strictObject({ t: z.literal("hello"), session: z.string().max(64) }),
  z.strictObject({ t: z.literal("ready"), session: z.string().max(64) }),
  // The server is ending or has restarted and knows no session; all streams are gone.
  z.strictObject({ t: z.literal("reset") }),
  z.strictObject({ t: z.literal("exec"), s: stream, request: ExecRequest }),
  z.strictObject({ t: z.literal("connect"), s: stream, path: z.string().min(1).max(4096) }),
  z.strictObject({ t: z.literal("data"), s: stream, c: lane, d: z.base64() }),
  z.strictObject({ t: z.literal("end"), s: stream, c: lane }),
  z.strictObject({ t: z.literal("ack"), s: stream, c: lane, n: z.int().min(1) }),
  z.strictObject({ t: z.literal("kill"), s: stream }),
  z.strictObject({ t: z.literal("exit"), s: stream, code: z.int() }),
  z.strictObject({ t: z.literal("error"), s: stream, message: z.string() }),
]);
export type Message = z.infer<typeof Message>;

// Bounds the memory that a broken peer can take. The kernel's longest arguments (128 KiB) do not fit, which the lab does not need.
const maxLineChars = 1 << 18;

/** Calls `onMessage` for each valid line and `onRefused` for others; both may come from before the other side's restart. */
export function readMessages(
  source: Duplex,
  onMessage: (message: Message) => void,
  onRefused: (why: string) => void,
): void {
  let pending = "";
  // A socket of an HTTP upgrade accepts no encoding.
  const decoder = new StringDecoder("utf8");
  source.on("data", (chunk: Buffer) => {
    const lines = (pending + decoder.write(chunk)).split("\n");
    pending = lines.pop() ?? "";
    if (pending.length > maxLineChars) {
      pending = "";
      onRefused("a line without end");
    }
    for (const line of lines) {
      if (line === "") continue;
      const parsed = Message.safeParse(parseJson(line));
      if (parsed.success) onMessage(parsed.data);
      else onRefused(explainIssues(parsed.error));
    }
  });
}

export const sendMessage = (sink: Duplex, message: Message): void => {
  if (!sink.destroyed && sink.writable) sink.write(`${JSON.stringify(message)}\n`);
};
