// Multiplexes many streams over one channel. A lane has at most one window of unread bytes, so none can fill the channel.
import type { Readable, Writable } from "node:stream";
import type { Lane, Message } from "./wire.ts";

/** A quarter of a MiB a lane keeps a 100 ms round trip busy and the memory of 64 streams bounded. */
const windowBytes = 256 << 10;
/** Small enough that streams take turns, large enough that JSON costs little. */
const chunkBytes = 16 << 10;

export type Lanes = {
  /** Sends all of `source`, at the speed at which the other side reads it, then `end`. */
  pump(stream: number, lane: Lane, source: Readable): Promise<void>;
  /** Counts the output of a stream's sources; undefined while output waits for the other side. */
  said(stream: number): number | undefined;
  /** Writes the bytes that arrive for this lane to `sink`. */
  deliver(stream: number, lane: Lane, sink: Writable): void;
  /** A message of kind data, end or ack. Messages of unknown streams, which have ended, are ignored. */
  take(message: Extract<Message, { t: "data" | "end" | "ack" }>): void;
  forget(stream: number): void;
};

type Credit = { left: number; said: number; wake: (() => void) | undefined; isGone: boolean };

export function makeLanes(send: (message: Message) => void): Lanes {
  const sinks = new Map<string, Writable>();
  const credits = new Map<string, Credit>();
  const key = (stream: number, lane: Lane) => `${stream}.${lane}`;
  return {
    async pump(s, c, source) {
      const credit: Credit = { left: windowBytes, said: 0, wake: undefined, isGone: false };
      credits.set(key(s, c), credit);
      try {
        for await (const chunk of source as AsyncIterable<Buffer>) {
          credit.said += chunk.length;
          for (let at = 0; at < chunk.length; at += chunkBytes) {
            const part = chunk.subarray(at, at + chunkBytes);
            while (credit.left < part.length && !credit.isGone) {
              await new Promise<void>((resolve) => {
                credit.wake = resolve;
              });
              credit.wake = undefined;
            }
            if (credit.isGone) return;
            credit.left -= part.length;
            send({ t: "data", s, c, d: part.toString("base64") });
          }
        }
      } catch {
        // A broken source has ended; `exit` or `error` says how its program ended.
      } finally {
        credits.delete(key(s, c));
        if (!credit.isGone) send({ t: "end", s, c });
      }
    },
    said(s) {
      const own = ([0, 1, 2] as const).flatMap((lane) => credits.get(key(s, lane)) ?? []);
      return own.some(({ wake }) => wake) ? undefined : own.reduce((sum, { said }) => sum + said, 0);
    },
    deliver(s, c, sink) {
      sink.on("error", () => {});
      sinks.set(key(s, c), sink);
    },
    take(message) {
      const { s, c } = message;
      if (message.t === "ack") {
        const credit = credits.get(key(s, c));
        if (!credit) return;
        credit.left += message.n;
        credit.wake?.();
        return;
      }
      const sink = sinks.get(key(s, c));
      if (message.t === "end") {
        sinks.delete(key(s, c));
        sink?.end();
        return;
      }
      const bytes = Buffer.from(message.d, "base64");
      const ack = () => bytes.length > 0 && send({ t: "ack", s, c, n: bytes.length });
      // A reader that stopped must not block the sender, which may still send an exit code.
      if (!sink || sink.destroyed || !sink.writable) ack();
      // A sender that respects the window never gets here.
      else if (sink.writableLength + bytes.length > windowBytes) sink.destroy(new Error("more than was asked for"));
      else sink.write(bytes, ack);
    },
    forget(stream) {
      for (const lane of [0, 1, 2] as const) {
        sinks.get(key(stream, lane))?.end();
        sinks.delete(key(stream, lane));
        const credit = credits.get(key(stream, lane));
        if (credit) {
          credit.isGone = true;
          credit.wake?.();
        }
      }
    },
  };
}
