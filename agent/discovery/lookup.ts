// Finds a host by mDNS for a computer whose own resolver does not. It listens on port 5353 beside whoever else does (RFC 6762 15.1), because
// devices answer to the group.
import { createSocket } from "node:dgram";
import { makeQuery, readDns } from "../../system/dns.ts";
import { ipv4Of, type LinkInterface, makeOnLink, readLinks } from "./links.ts";

const [group, port] = ["224.0.0.251", 5353];
/** A device answers within 120 ms (RFC 6762 6), and each set of records once a second. */
const askAgainMs = 1_100;

/** The IPv4 address of `host` (`attic.local`); undefined if nobody on a link says one within `withinMs`. */
export async function lookUpByMdns(
  host: string,
  { withinMs = 2_500, links = readLinks() }: { withinMs?: number; links?: LinkInterface[] } = {},
): Promise<string | undefined> {
  const asked = links.flatMap((link) => {
    const own = ipv4Of(link);
    return own === undefined ? [] : [askOnLink(host, link, own, withinMs)];
  });
  return await Promise.any(asked).catch(() => undefined);
}

/** Rejects if nobody answers. */
function askOnLink(host: string, link: LinkInterface, own: string, withinMs: number): Promise<string> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  const isOnLink = makeOnLink(link);
  const query = makeQuery(host);
  const timers: NodeJS.Timeout[] = [];
  const answer = new Promise<string>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("message", (message, { address }) => {
      const heard = isOnLink(address) ? readDns(message) : undefined;
      const records = heard?.isResponse ? [...heard.answers, ...heard.additionals] : [];
      const found = records.find(({ name, address: at }) => name.toLowerCase() === host && at && isOnLink(at));
      if (found?.address !== undefined) resolve(found.address);
    });
    socket.bind(port, "0.0.0.0", () => {
      try {
        socket.addMembership(group, own);
        socket.setMulticastInterface(own);
        const ask = () => socket.send(query, port, group);
        ask();
        timers.push(
          setInterval(ask, askAgainMs),
          setTimeout(() => reject(new Error("nobody answers")), withinMs),
        );
      } catch (error) {
        reject(error);
      }
    });
  });
  return answer.finally(() => {
    for (const timer of timers) clearTimeout(timer);
    socket.close();
  });
}
