// mDNS on one link and one address family: bonjour-service publishes, and our own decoder listens.
//
// We reach inside the library, because alone it (each was reproduced)
// - decodes what anybody sends without limits and keeps every service it hears of: `emit` of the socket is ours, and `mdns.emit("query")`
//   hands it only questions about our own names;
// - announces the addresses of all links on each, says that the service type ends when one device leaves, sets lifetimes of 8 hours
//   and no cache-flush bit, and answers each asker at once: `server.mdns.respond` is ours, with an array for an announcement or a
//   goodbye and an object for an answer;
// - ends the process when a send fails: it needs the callback and `mdns`'s events.
// Reviewed with bonjour-service 1.4.4, multicast-dns 7.2.5.
import { createSocket } from "node:dgram";
import Bonjour from "bonjour-service";
import type { DnsQuestion } from "../../system/dns.ts";
import type { Log } from "../../system/log.ts";
import { type DnsPacket, instanceName, serviceType } from "./announcement.ts";
import { Answers } from "./answers.ts";
import { answerCommonName } from "./common-name.ts";
import { makeGate, questionsForUs } from "./gate.ts";
import { ipv4Of, type LinkInterface } from "./links.ts";

export type Self = { id: string; name: string; hint: string; helloPort: number };
export type Multicast = { query(): void; stop(): Promise<void> };
type Options = {
  link: LinkInterface;
  family: "udp4" | "udp6";
  self: Self;
  epoch: string;
  log: Log;
  now: () => number;
  /** Whether a device at this address has proved to be a member. */
  isKnown(address: string): boolean;
  onResponse(packet: DnsPacket, address: string): void;
  /** Whether this device answers for `hamlet.local` now. */
  answersForAll(): boolean;
  /** Any packet from another host: multicast works on this link. */
  onHeard(): void;
  /** The socket has failed: start another instance. */
  onFailure(error: Error): void;
};
type DnsRecord = { type: string; name: string; ttl: number; flush?: boolean; data: unknown };
type Response = DnsRecord[] | { answers: DnsRecord[]; additionals?: DnsRecord[] };
type Mdns = NodeJS.EventEmitter & {
  query(question: { name: string; type: string }[], done?: (error?: Error) => void): void;
  respond(response: Response, ...rest: unknown[]): void;
};

const goodbyeMs = 500;
const longestTtlS = 4_500; // RFC 6762 10: 75 minutes; the library says 8 hours

export function startMulticast(options: Options): Multicast {
  const { link, family, self, log } = options;
  const own = new Set(link.addresses.map(({ address }) => address));
  const where = `${link.name} ${family}`;
  const socket = createSocket({ type: family, reuseAddr: true, ipv6Only: family === "udp6" });
  const read = makeGate(options);
  const emit = socket.emit.bind(socket);
  socket.emit = ((event: string, ...args: unknown[]) => {
    if (event !== "message") return emit(event as "error", ...(args as [Error]));
    const { address } = args[1] as { address: string };
    const packet = read(args[0] as Buffer, address);
    if (packet?.isResponse) options.onResponse(packet, address);
    else if (packet) beAsked(questionsForUs(packet.questions, ownNames));
    return packet !== undefined;
  }) as typeof socket.emit;

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

  const ownNames = [`${instanceName(self.name, self.id)}.${serviceType}`, `${self.name}.local`];
  const beAsked = (questions: DnsQuestion[]) => {
    if (questions.length === 0 || isStopped) return;
    mdns.emit("query", { questions });
    const answers = options.answersForAll() ? answerCommonName(questions, [...own]) : [];
    if (answers.length > 0) mdns.respond({ answers });
  };

  const respond = mdns.respond.bind(mdns);
  const answers = new Answers<DnsRecord>();
  let owing: NodeJS.Timeout | undefined;
  const payWhenDue = () => {
    const at = answers.dueAt();
    if (at === undefined || isStopped) return;
    clearTimeout(owing);
    owing = setTimeout(
      () => {
        const due = answers.due(options.now());
        if (due.length > 0 && !isStopped) respond({ answers: due });
        payWhenDue();
      },
      Math.max(1, at - options.now()),
    );
    owing.unref();
  };
  mdns.respond = (response, ...rest) => {
    // An array is our own announcement or goodbye; the other shape answers a question.
    if (Array.isArray(response)) return respond(response.filter(mayLeave).map(corrected), ...rest);
    const said = answers.ask(response.answers.filter(mayLeave).map(corrected), options.now());
    payWhenDue();
    if (said.length === 0) return;
    const along = answers.add((response.additionals ?? []).filter(mayLeave).map(corrected), options.now());
    respond({ answers: said, additionals: along }, ...rest);
  };
  // The library announces the addresses of every network of this device; send only this link's. Our goodbye must not end the service
  // type, which other devices still have.
  const mayLeave = ({ type, data, name, ttl }: DnsRecord) =>
    (type !== "A" && type !== "AAAA") || own.has(String(data)) ? !(ttl === 0 && name.startsWith("_services.")) : false;
  const corrected = (record: DnsRecord): DnsRecord => ({
    ...record,
    ttl: Math.min(record.ttl, longestTtlS),
    // RFC 6762 10.2: for a record that is ours alone, caches drop what they held.
    flush: record.type === "SRV" || record.type === "TXT",
  });

  bonjour.publish({
    name: instanceName(self.name, self.id),
    type: "hamlet",
    protocol: "udp",
    port: self.helloPort,
    host: `${self.name}.local`,
    txt: { v: "1", n: self.hint, id: self.id, p: String(self.helloPort), e: options.epoch },
    // The name contains our id, so it is unique. Probing would take a second, and leaks listeners when stopped midway.
    probe: false,
  });
  return {
    query: () => mdns.query([{ name: serviceType, type: "PTR" }], quietly),
    async stop() {
      isStopped = true;
      clearTimeout(owing);
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
