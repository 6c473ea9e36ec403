// The server of a channel: in the machine it opens the machine's own doors, in the supervisor it passes a command on to a
// machine's channel.
import type { Duplex } from "node:stream";
import type { Doors, ExecRequest } from "../../../system/doors.ts";
import { describeError } from "../../../system/error.ts";
import { type Lanes, makeLanes } from "./lanes.ts";
import { type Message, readMessages, sendMessage } from "./wire.ts";

const maxStreams = 64;

/**
 * Serves `doors` over `transport` until it closes. Each hello starts a new session and ends the streams of the last. Call the returned
 * function before the process ends: the transport may outlive it, and then the client would wait for its answers until a restart.
 */
export function serveChannel(transport: Duplex, doors: Doors): () => Promise<void> {
  const send = (message: Message) => sendMessage(transport, message);
  let lanes = makeLanes(send);
  let session: string | undefined;
  let isLeaving = false;
  const open = new Map<number, () => void>();

  const reset = () => {
    for (const [stream, kill] of open) {
      kill();
      lanes.forget(stream);
    }
    open.clear();
    session = undefined;
  };

  const begin = (stream: number, kill: () => void) => {
    const mine = lanes;
    open.set(stream, kill);
    return (last: Message) => {
      // A stream of an older session has no receiver.
      if (lanes !== mine || open.get(stream) !== kill) return;
      open.delete(stream);
      lanes.forget(stream);
      send(last);
    };
  };

  function exec(s: number, request: ExecRequest): void {
    const program = doors.exec(request);
    const killed = Promise.withResolvers<void>();
    const end = begin(s, () => {
      program.kill();
      killed.resolve();
    });
    lanes.deliver(s, 0, program.stdin);
    const output = Promise.all([lanes.pump(s, 1, program.stdout), lanes.pump(s, 2, program.stderr)]);
    program.exit.then(
      async (code) => {
        // A client that killed the program wants no more output.
        await Promise.race([output, killed.promise, silence(lanes, s)]);
        end({ t: "exit", s, code });
      },
      (error: unknown) => end({ t: "error", s, message: describeError(error) }),
    );
  }

  function connect(s: number, path: string): void {
    const socket = doors.connect(path);
    const end = begin(s, () => socket.destroy());
    lanes.deliver(s, 0, socket);
    lanes.pump(s, 1, socket);
    socket.on("error", (error) => end({ t: "error", s, message: describeError(error) }));
    socket.on("close", () => end({ t: "exit", s, code: 0 }));
  }

  function attempt(message: Extract<Message, { t: "exec" | "connect" }>): void {
    try {
      if (message.t === "exec") exec(message.s, message.request);
      else connect(message.s, message.path);
    } catch (error) {
      send({ t: "error", s: message.s, message: describeError(error) });
    }
  }

  readMessages(
    transport,
    (message) => {
      if (isLeaving) return;
      if (message.t === "hello") {
        reset();
        lanes = makeLanes(send);
        session = message.session;
        return send({ t: "ready", session });
      }
      if (session === undefined) return send({ t: "reset" });
      switch (message.t) {
        case "exec":
        case "connect":
          if (open.has(message.s)) return;
          if (open.size >= maxStreams) {
            return send({ t: "error", s: message.s, message: `more than ${maxStreams} streams at once` });
          }
          return attempt(message);
        case "data":
        case "end":
        case "ack":
          return lanes.take(message);
        case "kill":
          return open.get(message.s)?.();
        case "ready":
        case "reset":
        case "exit":
        case "error":
          return;
      }
    },
    () => {
      // A partial line of an older session; the next hello resolves it.
    },
  );
  transport.on("close", reset);
  transport.on("error", reset);
  // Ask a host that was connected before this service restarted to say hello again.
  send({ t: "reset" });
  return () => {
    isLeaving = true;
    reset();
    send({ t: "reset" });
    return new Promise((resolve) => transport.write("\n", () => resolve()));
  };
}

/**
 * Resolves when the program's own output has been read: a daemon that it left behind may keep stdout open for ever. On a busy
 * machine, reading may take seconds, so only a turn of the event loop without output counts.
 */
async function silence(lanes: Lanes, stream: number): Promise<void> {
  for (let before: number | undefined; ; ) {
    await new Promise<void>((resolve) => setTimeout(resolve, quietMs).unref());
    await new Promise<void>((resolve) => setImmediate(resolve));
    const now = lanes.said(stream);
    if (now !== undefined && now === before) return;
    before = now;
  }
}
const quietMs = 1_000;
