// The lab's LAN: a learning Ethernet switch between unix sockets. It needs no privileges and no TCP ports, passes multicast, and
// can unplug any port or put it at the end of a bad line.
import { createServer, type Server, type Socket } from "node:net";
import { encodeFrame, frameCutter } from "./frames.ts";
import { arrival, type LineTerms, makeLine } from "./line.ts";
import { makeSlowQueue, type SlowQueue } from "./slow-queue.ts";

/** About 200 ms of a full 100 Mbit/s; beyond it a port drops frames, as a real switch does. */
const maxQueuedBytes = 2 << 20;
const maxLearned = 1024;

export type Hub = {
  /** Adds a port for clients of the unix socket at `path`, one or several. */
  openPort(name: string, path: string): Promise<void>;
  closePort(name: string): Promise<void>;
  /** Adds a port inside this process. Returns the function that sends to the LAN. */
  attach(name: string, receive: (frame: Buffer) => void): (frame: Buffer) => void;
  /** Unplugs a port, or plugs it in again. */
  setCut(name: string, isCut: boolean): void;
  /** Puts a port at the end of a bad line; without `terms`, of a good one again. */
  setLine(name: string, terms?: LineTerms): void;
  /** Calls `listener` for each frame that enters the LAN, with its port. */
  watch(listener: (port: string, frame: Buffer) => void): void;
  close(): Promise<void>;
};

type Link = { port: string; send(frame: Buffer): void };
type BadLine = { carry(way: "up" | "down", frame: Buffer, deliver: () => void): void; close(): void };

export function makeHub(now: () => number = () => performance.now()): Hub {
  const links = new Set<Link>();
  const cut = new Set<string>();
  const lines = new Map<string, BadLine>();
  const learned = new Map<string, Link>();
  const servers = new Map<string, { server: Server; sockets: Set<Socket> }>();
  const watchers: ((port: string, frame: Buffer) => void)[] = [];

  const unlink = (link: Link) => {
    links.delete(link);
    for (const [mac, holder] of learned) if (holder === link) learned.delete(mac);
  };

  function enter(from: Link, frame: Buffer): void {
    if (frame.length < 14 || cut.has(from.port)) return;
    const line = lines.get(from.port);
    if (line) line.carry("up", frame, () => forward(from, frame));
    else forward(from, frame);
  }

  function leave(to: Link, frame: Buffer): void {
    if (cut.has(to.port)) return;
    const line = lines.get(to.port);
    if (line) line.carry("down", frame, () => cut.has(to.port) || to.send(frame));
    else to.send(frame);
  }

  function forward(from: Link, frame: Buffer): void {
    if (cut.has(from.port)) return;
    const [target, source] = [frame.toString("latin1", 0, 6), frame.toString("latin1", 6, 12)];
    // Do not learn group addresses. The table is bounded; frames to unknown addresses are flooded, which is still correct.
    if (!isGroup(frame[6]!) && (learned.has(source) || learned.size < maxLearned)) learned.set(source, from);
    for (const watcher of watchers) watcher(from.port, frame);
    const holder = isGroup(frame[0]!) ? undefined : learned.get(target);
    for (const link of holder ? [holder] : links) if (link !== from) leave(link, frame);
  }

  async function closePort(name: string): Promise<void> {
    const port = servers.get(name);
    servers.delete(name);
    if (!port) return;
    for (const socket of port.sockets) socket.destroy();
    await new Promise((resolve) => port.server.close(resolve));
  }

  return {
    async openPort(name, path) {
      const sockets = new Set<Socket>();
      const server = createServer((socket) => {
        const link: Link = {
          port: name,
          send: (frame) => {
            if (socket.writableLength + frame.length <= maxQueuedBytes) socket.write(encodeFrame(frame));
          },
        };
        const take = frameCutter((frame) => enter(link, frame));
        socket.on("data", (chunk: Buffer) => take(chunk) || socket.destroy());
        socket.on("error", () => {});
        socket.on("close", () => {
          sockets.delete(socket);
          unlink(link);
        });
        sockets.add(socket);
        links.add(link);
      });
      servers.set(name, { server, sockets });
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(path, resolve);
      });
    },
    closePort,
    attach(name, receive) {
      const link: Link = { port: name, send: receive };
      links.add(link);
      return (frame) => enter(link, frame);
    },
    setCut: (name, isCut) => void (isCut ? cut.add(name) : cut.delete(name)),
    setLine(name, terms) {
      lines.get(name)?.close();
      lines.delete(name);
      if (terms) lines.set(name, makeBadLine(terms, now));
    },
    watch: (listener) => void watchers.push(listener),
    async close() {
      for (const line of lines.values()) line.close();
      await Promise.all([...servers.keys()].map(closePort));
      links.clear();
    },
  };
}

function makeBadLine(terms: LineTerms, now: () => number): BadLine {
  const line = makeLine(terms, now());
  const queues: Record<"up" | "down", SlowQueue> = { up: makeSlowQueue(now), down: makeSlowQueue(now) };
  return {
    carry(way, frame, deliver) {
      const atMs = arrival(line, way, frame.length, now());
      if (atMs !== undefined) queues[way].add(atMs, deliver);
    },
    close() {
      for (const queue of Object.values(queues)) queue.close();
    },
  };
}

const isGroup = (firstByte: number): boolean => (firstByte & 1) === 1;
