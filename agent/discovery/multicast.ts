// mDNS on one link, one address family: bonjour-service publishes, our own ears listen.
// The library's browser keeps whatever anyone claims and searches it linearly, so it is not used; each guard here
// stands against a defect reproduced with the library alone.
import { createSocket } from "node:dgram";
import Bonjour from "bonjour-service";
import type { Log } from "../../system/log.ts";
import { type DnsPacket, instanceName, serviceLabel, serviceType } from "./announcement.ts";
import { answerCommonName, type Question } from "./common-name.ts";
import { Limiter } from "./limiter.ts";
import { ipv4Of, isOnLink, type LinkInterface } from "./links.ts";

export type Self = { id: string; name: string; hint: string; helloPort: number };
export type Multicast = { query(): void; stop(): Promise<void> };
type Options = {
  link: LinkInterface;
  family: "udp4" | "udp6";
  self: Self;
  epoch: string;
  log: Log;
  now: () => number;
  onResponse(packet: DnsPacket, address: string): void;
  /** Whether this device answers for the name that all have in common. */
  answersForAll(): boolean;
  /** Any packet from another host: multicast works on this link. */
  onHeard(): void;
  /** The socket is of no use any more; the instance is to be built again. */
  onFailure(error: Error): void;
};
type DnsRecord = { type: string; name: string; ttl: number; flush?: boolean; data: unknown };
type Response = DnsRecord[] | { answers: DnsRecord[]; additionals?: DnsRecord[] };
type Mdns = NodeJS.EventEmitter & {
  query(question: { name: string; type: string }[], done?: (error?: Error) => void): void;
  respond(response: Response, ...rest: unknown[]): void;
};

// A busy home has some ten mDNS packets a second; two hundred from one host are a fault or a flood.
const incoming = { perSource: { burst: 100, perSecond: 20 }, total: { burst: 300, perSecond: 100 }, maxSources: 256 };
// Every answer goes to all, so the tenth within a second tells nobody anything new (RFC 6762 6).
const outgoing = { perSource: { burst: 5, perSecond: 2 }, total: { burst: 5, perSecond: 2 }, maxSources: 1 };
const goodbyeMs = 500;
const longestTtlS = 4_500; // RFC 6762 10: 75 minutes; the library says 8 hours

export function startMulticast(options: Options): Multicast {
  const { link, family, self, log } = options;
  const own = new Set(link.addresses.map(({ address }) => address));
  const where = `${link.name} ${family}`;
  const socket = createSocket({ type: family, reuseAddr: true, ipv6Only: family === "udp6" });
  const admit = makeGate(options, own);
  const emit = socket.emit.bind(socket);
  // Below the decoder, so that a flood costs us no more than the reading.
  socket.emit = ((event: string, ...args: unknown[]) =>
    event === "message" && !admit(args[0] as Buffer, (args[1] as { address: string }).address)
      ? false
      : emit(event as "message", ...(args as [Buffer, never]))) as typeof socket.emit;

  let isStopped = false;
  const quietly = (error?: Error | null) => error && log.debug(`${where}: ${error.message}`);
  const config =
    family === "udp4"
      ? { socket, interface: ipv4Of(link), bind: "0.0.0.0" }
      : { socket, type: "udp6", ip: "ff02::fb", interface: `::%${link.name}`, bind: "::" };
  // Without the callback a send that fails (ENETUNREACH) ends the process.
  const bonjour = new Bonjour(config as ConstructorParameters<typeof Bonjour>[0], quietly);
  const { mdns } = (bonjour as unknown as { server: { mdns: Mdns } }).server;
  mdns.on("warning", quietly);
  mdns.on("error", (error: Error) => !isStopped && options.onFailure(error));
  mdns.on("response", (packet: DnsPacket, { address }: { address: string }) => options.onResponse(packet, address));

  mdns.on("query", ({ questions }: { questions: Question[] }) => {
    const answers = options.answersForAll() ? answerCommonName(questions, [...own]) : [];
    if (answers.length > 0) mdns.respond({ answers });
  });

  const respond = mdns.respond.bind(mdns);
  const answers = new Limiter(outgoing);
  mdns.respond = (response, ...rest) => {
    // An array is our own announcement or goodbye, the other shape an answer to somebody.
    if (Array.isArray(response)) return respond(response.filter(mayLeave).map(corrected), ...rest);
    if (!answers.admits("", options.now())) return;
    const additionals = (response.additionals ?? []).filter(mayLeave).map(corrected);
    respond({ answers: response.answers.filter(mayLeave).map(corrected), additionals }, ...rest);
  };
  // The library announces the addresses of every network the device has; this link hears only its own. Nor does our
  // goodbye speak for the service type, which others still have.
  const mayLeave = ({ type, data, name, ttl }: DnsRecord) =>
    (type !== "A" && type !== "AAAA") || own.has(String(data)) ? !(ttl === 0 && name.startsWith("_services.")) : false;
  const corrected = (record: DnsRecord): DnsRecord => ({
    ...record,
    ttl: Math.min(record.ttl, longestTtlS),
    // RFC 6762 10.2: caches drop what they held of a record that is ours alone.
    flush: record.type === "SRV" || record.type === "TXT",
  });

  bonjour.publish({
    name: instanceName(self.name, self.id),
    type: "hamlet",
    protocol: "udp",
    port: self.helloPort,
    host: `${self.name}.local`,
    txt: { v: "1", n: self.hint, id: self.id, p: String(self.helloPort), e: options.epoch },
    // The name has our id in it. Probing would cost a second and leaks listeners when stopped midway.
    probe: false,
  });
  return {
    query: () => mdns.query([{ name: serviceType, type: "PTR" }], quietly),
    async stop() {
      isStopped = true;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, goodbyeMs);
        bonjour.unpublishAll(() => {
          clearTimeout(timer);
          resolve();
        });
      });
      await new Promise<void>((resolve) => bonjour.destroy(() => resolve()));
    },
  };
}

/** What may reach the decoder: from this link (RFC 6762 11), within limits, and of a response only what speaks of us. */
function makeGate({ link, now, onHeard }: Options, own: Set<string>): (message: Buffer, address: string) => boolean {
  const limiter = new Limiter(incoming);
  return (message, address) => {
    // A wildcard socket hears every link's multicast, and unicast from anywhere.
    if (!isOnLink(address, link)) return false;
    if (!own.has(address.split("%")[0]!)) onHeard();
    const isResponse = message.length > 2 && (message[2]! & 0x80) !== 0;
    if (isResponse && !message.includes(serviceLabel)) return false;
    return limiter.admits(address, now());
  };
}
