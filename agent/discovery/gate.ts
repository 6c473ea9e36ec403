// Decides which mDNS packets on a link are read, and which questions are for us. The library's decoder allocates whatever a header
// claims, so no packet from the network reaches it. Pure but for its own tables.
import { sourceOf } from "../../system/address.ts";
import { FairBucket } from "../../system/bucket.ts";
import { type DnsMessage, type DnsQuestion, holdsWhatItClaims, readDns } from "../../system/dns.ts";
import { serviceLabel, serviceType } from "./announcement.ts";
import { commonName } from "./common-name.ts";
import { type LinkInterface, makeOnLink } from "./links.ts";

type GateOptions = {
  link: LinkInterface;
  /** Whether a device at this address has proved to be a member. */
  isKnown(address: string): boolean;
  /** Any packet from another host: multicast works on this link. */
  onHeard(): void;
  /** Monotonic, in ms. */
  now(): number;
};

// A busy home sends about ten mDNS packets a second; two hundred from one host are a fault or a flood. Questions and answers have a
// bucket each: a flood of one does not stop the other.
const common = { perNetwork: { burst: 300, perSecond: 100 }, known: { burst: 300, perSecond: 100 }, maxSources: 256 };
const limits = { perSource: { burst: 100, perSecond: 20 }, ...common };

/** Returns undefined for a packet to drop: from off the link (RFC 6762 11), beyond a limit, no DNS, or a response without our service. */
export function makeGate({ link, isKnown, onHeard, now }: GateOptions) {
  const own = new Set(link.addresses.map(({ address }) => address));
  const isOnLink = makeOnLink(link);
  const buckets = { query: new FairBucket(limits), response: new FairBucket(limits) };
  return (message: Buffer, address: string): DnsMessage | undefined => {
    // A wildcard socket hears every link's multicast, and unicast from anywhere.
    if (!isOnLink(address)) return undefined;
    const isOwn = own.has(address.split("%")[0]!);
    if (!isOwn) onHeard();
    // The cheap checks first: a packet that fails them takes no token.
    if (!holdsWhatItClaims(message)) return undefined;
    const isResponse = (message[2]! & 0x80) !== 0;
    if (isResponse && !message.includes(serviceLabel)) return undefined;
    const bucket = isResponse ? buckets.response : buckets.query;
    if (!bucket.admits(sourceOf(address), now(), isOwn || isKnown(address))) return undefined;
    return readDns(message);
  };
}

const answerable = new Set(["A", "AAAA", "PTR", "SRV", "TXT", "ANY"]);

/** The questions of a packet that are for us, each once. */
export function questionsForUs(questions: readonly DnsQuestion[], ownNames: readonly string[]): DnsQuestion[] {
  const names = new Set(
    [serviceType, "_services._dns-sd._udp.local", commonName, ...ownNames].map((name) => name.toLowerCase()),
  );
  const forUs = questions.filter(({ name, type }) => names.has(name.toLowerCase()) && answerable.has(type));
  return [...new Map(forUs.map((question) => [`${question.name.toLowerCase()} ${question.type}`, question])).values()];
}
