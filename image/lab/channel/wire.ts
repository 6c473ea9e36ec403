// What goes over the lab's virtio-serial port: one JSON message a line.
// Lines, because after a reset either side may begin in the middle of the other's message: the next line feed mends that.
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
  // Who opens the channel names a session; what came before `ready` with that name belongs to an older one.
  z.strictObject({ t: z.literal("hello"), session: z.string().max(64) }),
  z.strictObject({ t: z.literal("ready"), session: z.string().max(64) }),
  // The serving side knows no session: it is new, and whatever was open is gone.
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

// A command line of the kernel's largest (128 KiB an argument) is not for the lab; this bounds what a broken peer can make us hold.
const maxLineChars = 1 << 18;

/** Calls `onMessage` for each valid line and `onRefused` for what is none; both may come from the other side's last life. */
export function readMessages(
  source: Duplex,
  onMessage: (message: Message) => void,
  onRefused: (why: string) => void,
): void {
  let pending = "";
  // A socket that came by HTTP does not take an encoding.
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
