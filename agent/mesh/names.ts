// A DNS server on loopback: resolves `attic.hamlet.internal` to a mesh address; systemd-resolved forwards the domain to it
// (design 5.4). The answer follows from question and names alone; around it are a UDP and a TCP socket.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import dns from "dns-packet";
import { readDns } from "../../system/dns.ts";
import { errnoOf, HamletError } from "../../system/error.ts";
import { limitLog } from "../../system/limited-log.ts";
import type { Log } from "../../system/log.ts";

export const meshDomain = "hamlet.internal";
/** The mesh address of a member by its name (lower case, one label), or undefined. */
export type Lookup = (name: string) => string | undefined;
export type Names = { stop(): Promise<void> };

// Short, because names and addresses may change when members join, and a resolver should not keep an old answer.
const ttlS = 10;
// EDNS (RFC 6891): our answers are far smaller, so any size will do; this one gets through everywhere.
const udpPayloadSize = 1232;
const maxQueryBytes = 4096;
const maxTcpClients = 16;
const tcpIdleMs = 5_000;

const rcodes = { noError: 0, formatError: 1, notImplemented: 4, nxDomain: 3, refused: 5 };
const isResponse = 1 << 15;
const isAuthoritative = 1 << 10;
const wantsRecursion = 1 << 8;

/** The answer to one message, or undefined if it gets none. Never throws, whatever the bytes are. */
export function answerNames(message: Uint8Array, lookup: Lookup): Buffer | undefined {
  // No header, or itself an answer: two servers that answered answers would never stop.
  if (message.length < 12 || message.length > maxQueryBytes || (message[2]! & 0x80) !== 0) return undefined;
  const id = (message[0]! << 8) | message[1]!;
  const bare = (rcode: number) => dns.encode({ type: "response", id, flags: isResponse | rcode, questions: [] });
  if (((message[2]! >> 3) & 0x0f) !== 0) return bare(rcodes.notImplemented);
  // Checked before the library allocates what the message claims to hold.
  const asked = readDns(message);
  const isQuery = asked?.questions.length === 1 && asked.answers.length + asked.authorities.length === 0;
  if (!isQuery || asked.additionals.length > 4) return bare(rcodes.formatError);
  try {
    return reply(dns.decode(message), lookup);
  } catch {
    return bare(rcodes.formatError);
  }
}

function reply(query: dns.Packet, lookup: Lookup): Buffer {
  const question = query.questions[0]!;
  const found = find(question, lookup);
  const edns: dns.Answer = { type: "OPT", name: ".", udpPayloadSize, flags: 0, options: [] };
  return dns.encode({
    type: "response",
    id: query.id,
    flags: isResponse | (found.isOurs ? isAuthoritative : 0) | (query.flags & wantsRecursion) | found.rcode,
    questions: [question],
    answers: found.answers,
    // RFC 2308: a negative answer carries the SOA, which says how long it may be cached.
    authorities: found.isOurs && found.answers.length === 0 ? [startOfAuthority] : [],
    additionals: query.additionals?.some(({ type }) => type === "OPT") ? [edns] : [],
  });
}

type Found = { isOurs: boolean; rcode: number; answers: dns.Answer[] };

function find({ name, type, class: kind }: dns.Question, lookup: Lookup): Found {
  const asked = name.toLowerCase().replace(/\.$/, "");
  const isOurs = kind === "IN" && (asked === meshDomain || asked.endsWith(`.${meshDomain}`));
  if (!isOurs) return { isOurs, rcode: rcodes.refused, answers: [] };
  if (asked === meshDomain) {
    return { isOurs, rcode: rcodes.noError, answers: type === "SOA" || type === "ANY" ? [startOfAuthority] : [] };
  }
  const label = asked.slice(0, -meshDomain.length - 1);
  const address = label.includes(".") ? undefined : lookup(label);
  if (address === undefined) return { isOurs, rcode: rcodes.nxDomain, answers: [] };
  const answer: dns.Answer = { type: "AAAA", name, ttl: ttlS, class: "IN", data: address };
  // A known name without an address of that type: an empty answer, because NXDOMAIN would say that the name does not exist.
  return { isOurs, rcode: rcodes.noError, answers: type === "AAAA" || type === "ANY" ? [answer] : [] };
}

const startOfAuthority: dns.Answer = {
  type: "SOA",
  name: meshDomain,
  ttl: ttlS,
  class: "IN",
  data: {
    mname: meshDomain,
    rname: `nobody.${meshDomain}`,
    serial: 1,
    refresh: 3600,
    retry: 600,
    expire: 86_400,
    minimum: ttlS,
  },
};

/** Answers on UDP and TCP until stopped. Throws `port.taken`. */
export async function startNames(o: { address?: string; port: number; lookup: Lookup; log: Log }): Promise<Names> {
  const { address = "127.0.0.1", port, lookup } = o;
  const log = limitLog(o.log);
  const udp = createSocket("udp4");
  udp.on("message", (message, from) => {
    const answer = answerNames(message, lookup);
    // The client may be gone; the callback keeps that error from becoming an event.
    if (answer) udp.send(answer, from.port, from.address, () => {});
  });
  const clients = new Set<Socket>();
  const tcp = createServer((socket) => {
    clients.add(socket);
    socket.on("close", () => clients.delete(socket)).on("error", () => socket.destroy());
    socket.setTimeout(tcpIdleMs, () => socket.destroy());
    serveTcp(socket, lookup);
  });
  tcp.maxConnections = maxTcpClients;
  const stop = async () => {
    for (const client of clients) client.destroy();
    await Promise.all([
      new Promise<void>((done) => tcp.close(() => done())),
      new Promise<void>((done) => udp.close(() => done())),
    ]);
  };
  try {
    udp.bind(port, address);
    await once(udp, "listening");
    tcp.listen(udp.address().port, address);
    await once(tcp, "listening");
  } catch (cause) {
    await stop().catch(() => {});
    if (errnoOf(cause) !== "EADDRINUSE") throw cause;
    throw new HamletError("port.taken", `port ${port} on ${address} is taken: members' names will not resolve`, {
      hint: `find the program that has it: ss -lpn 'sport = :${port}'`,
      cause,
    });
  }
  udp.on("error", (error) => log.warn(`names: ${error.message}`));
  tcp.on("error", (error) => log.warn(`names: ${error.message}`));
  return { stop };
}

/** RFC 1035 4.2.2: each message comes after its length in two bytes. */
function serveTcp(socket: Socket, lookup: Lookup): void {
  let pending = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const length = pending.readUInt16BE(0);
      const answer = answerNames(pending.subarray(2, 2 + length), lookup);
      pending = pending.subarray(2 + length);
      if (!answer) return socket.destroy();
      const framed = Buffer.alloc(2 + answer.length);
      framed.writeUInt16BE(answer.length);
      answer.copy(framed, 2);
      socket.write(framed);
    }
    if (pending.length > maxQueryBytes) socket.destroy();
  });
}
