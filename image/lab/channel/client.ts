// The client of a channel: exec and connect in a machine, through its virtio-serial port or the supervisor.
import { randomUUID } from "node:crypto";
import { Duplex, PassThrough } from "node:stream";
import type { Doors } from "../../../system/doors.ts";
import { HamletError } from "../../../system/error.ts";
import { makeLanes } from "./lanes.ts";
import { type Message, readMessages, sendMessage } from "./wire.ts";

export type Channel = Doors & {
  /** True while the other side answers; false during a reboot until the guest agent is up again. */
  isReady(): boolean;
  onReady(listener: () => void): void;
  close(): void;
};

/** A serial line loses bytes that arrive before the kernel has opened it; an answer may take seconds under emulation. */
const helloAgainMs = 15_000;

type Open = { done(code: number): void; fail(error: Error): void };

/** Talks to the service behind `transport`, which may come up later than the transport, and more than once. */
export function openChannel(transport: Duplex): Channel {
  const send = (message: Message) => sendMessage(transport, message);
  const lanes = makeLanes(send);
  const open = new Map<number, Open>();
  const listeners: (() => void)[] = [];
  let session = "";
  let isReady = false;
  let nextStream = 1;

  const hello = () => {
    isReady = false;
    session = randomUUID();
    // The empty line ends a partial line of the last host.
    if (transport.writable) transport.write("\n");
    send({ t: "hello", session });
  };
  const failAll = (why: string) => {
    isReady = false;
    for (const [stream, one] of open) {
      one.fail(new HamletError("lab.execFailed", why));
      lanes.forget(stream);
    }
    open.clear();
  };
  const begin = (one: Open): number => {
    const stream = nextStream++;
    open.set(stream, one);
    return stream;
  };
  const end = (stream: number, tell: (one: Open) => void) => {
    const one = open.get(stream);
    if (!one) return;
    open.delete(stream);
    lanes.forget(stream);
    tell(one);
  };

  readMessages(
    transport,
    (message) => {
      if (message.t === "ready") {
        if (message.session !== session) return;
        isReady = true;
        for (const listener of listeners) listener();
        return;
      }
      if (message.t === "reset") {
        failAll("the machine's lab service ended");
        return hello();
      }
      if (!isReady) return;
      if (message.t === "exit") end(message.s, (one) => one.done(message.code));
      else if (message.t === "error") {
        end(message.s, (one) => one.fail(new HamletError("lab.execFailed", message.message)));
      } else if (message.t === "data" || message.t === "end" || message.t === "ack") lanes.take(message);
    },
    () => {},
  );
  transport.on("close", () => {
    clearInterval(again);
    failAll("the machine went away");
  });
  transport.on("error", () => failAll("the machine went away"));
  hello();
  const again = setInterval(() => {
    if (!isReady) hello();
  }, helloAgainMs).unref();

  const gone = () =>
    new HamletError("lab.execFailed", "the machine's guest agent does not answer", {
      hint: "it starts late in the boot; hamlet lab status shows the progress",
    });
  return {
    isReady: () => isReady,
    onReady: (listener) => void listeners.push(listener),
    close: () => transport.destroy(),
    exec(request) {
      const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
      if (!isReady) {
        stdout.end();
        stderr.end();
        return { stdin, stdout, stderr, exit: Promise.reject(gone()), kill() {} };
      }
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      const s = begin({ done: resolve, fail: reject });
      lanes.deliver(s, 1, stdout);
      lanes.deliver(s, 2, stderr);
      send({ t: "exec", s, request });
      lanes.pump(s, 0, stdin);
      return { stdin, stdout, stderr, exit: promise, kill: () => send({ t: "kill", s }) };
    },
    connect(path) {
      const [up, down] = [new PassThrough(), new PassThrough()];
      const socket = Duplex.from({ writable: up, readable: down });
      if (!isReady) {
        socket.destroy(gone());
        return socket;
      }
      const s = begin({ done: () => {}, fail: (error) => socket.destroy(error) });
      lanes.deliver(s, 1, down);
      send({ t: "connect", s, path });
      lanes.pump(s, 0, up);
      socket.on("close", () => open.has(s) && send({ t: "kill", s }));
      return socket;
    },
  };
}
