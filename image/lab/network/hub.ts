// The lab's LAN: a learning Ethernet switch between unix sockets. It needs no privileges and no TCP ports, passes multicast, and
// can unplug any port.
import { createServer, type Server, type Socket } from "node:net";
import { encodeFrame, frameCutter } from "./frames.ts";

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
  /** Calls `listener` for each frame that enters the LAN, with its port. */
  watch(listener: (port: string, frame: Buffer) => void): void;
  close(): Promise<void>;
};

type Link = { port: string; send(frame: Buffer): void };

export function makeHub(): Hub {
  const links = new Set<Link>();
  const cut = new Set<string>();
  const learned = new Map<string, Link>();
  const servers = new Map<string, { server: Server; sockets: Set<Socket> }>();
  const watchers: ((port: string, frame: Buffer) => void)[] = [];

  const unlink = (link: Link) => {
    links.delete(link);
    for (const [mac, holder] of learned) if (holder === link) learned.delete(mac);
  };

  function enter(from: Link, frame: Buffer): void {
    if (frame.length < 14 || cut.has(from.port)) return;
    const [target, source] = [frame.toString("latin1", 0, 6), frame.toString("latin1", 6, 12)];
    // Do not learn group addresses. The table is bounded; frames to unknown addresses are flooded, which is still correct.
    if (!isGroup(frame[6]!) && (learned.has(source) || learned.size < maxLearned)) learned.set(source, from);
    for (const watcher of watchers) watcher(from.port, frame);
    const holder = isGroup(frame[0]!) ? undefined : learned.get(target);
    for (const link of holder ? [holder] : links) if (link !== from && !cut.has(link.port)) link.send(frame);
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
    watch: (listener) => void watchers.push(listener),
    async close() {
      await Promise.all([...servers.keys()].map(closePort));
      links.clear();
    },
  };
}

const isGroup = (firstByte: number): boolean => (firstByte & 1) === 1;
