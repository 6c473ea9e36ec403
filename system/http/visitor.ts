// Whether to answer a request. A server without passwords must keep a foreign web page from reading it through a visitor's
// browser: neither by a name that the page points here (Host: DNS rebinding) nor from the page's own origin (Origin).
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { bracketed, isInside, isLinkLocal, plainAddress } from "../address.ts";
import { HamletError } from "../error.ts";

/**
 * Domains that home routers put behind a device's name and that nobody on the internet can own: RFC 6762 appendix G, RFC 8375,
 * and what common routers use, of which fritz.box belongs to the router's maker.
 */
const homeDomains = ["home.arpa", "internal", "intranet", "private", "corp", "home", "lan", "localdomain", "fritz.box"];

/** The names that a home network may give a device called `name`. */
export const namesAtHome = (name: string): string[] => [
  ...[`${name}.local`, "hamlet.local", name, "hamlet"],
  ...homeDomains.map((domain) => `${name}.${domain}`),
];

/**
 * Why `request` is refused, or undefined. `names` are this server's host names, the one to recommend first; it always answers to
 * its own addresses.
 */
export function refusal(request: IncomingMessage, names: () => string[]): HamletError | undefined {
  const { localAddress, localPort } = request.socket;
  // A unix socket: its file mode has decided already, and no browser gets there.
  if (localAddress === undefined) return undefined;
  const host = (request.headers.host ?? "").toLowerCase();
  const name = hostName(host);
  const own = plainAddress(localAddress);
  if (name === undefined || !isOwn(name, own, names)) {
    const message = "this device does not answer to the name or address that you asked for";
    return new HamletError("api.refused", message, { hint: `type ${urlsOf(names()[0], own, localPort).join(" or ")}` });
  }
  const { origin } = request.headers;
  const elsewhere = new HamletError("api.refused", "another site may not read this page");
  if (origin !== undefined && withoutPort80(origin.toLowerCase()) !== withoutPort80(`http://${host}`)) return elsewhere;
  // Browsers say who asks. A link on another site may lead here; a script there may not read.
  const site = request.headers["sec-fetch-site"];
  const isVisit = request.headers["sec-fetch-mode"] === "navigate";
  if ((site === "cross-site" || site === "same-site") && !isVisit) return elsewhere;
  return undefined;
}

/** Whether a Host header holds an address, or a name that only this network can have given. For programs, which send no Origin. */
export function isLocalHost(host: string | undefined): boolean {
  const name = hostName((host ?? "").toLowerCase());
  if (name === undefined) return false;
  if (isIP(plainAddress(name)) > 0) return true;
  const parts = /^[a-z0-9-]{1,63}(?:\.(.+))?$/.exec(name);
  if (!parts) return false;
  const [, domain] = parts;
  return domain === undefined || ["local", "hamlet.internal", ...homeDomains].includes(domain);
}

/** URLs that lead here for sure: nothing in them comes from the request. */
function urlsOf(name: string | undefined, own: string, port: number | undefined): string[] {
  const end = port === undefined || port === 80 ? "/" : `:${port}/`;
  // A browser takes no link-local address: it would have to say on which link.
  const isTypable = !isLinkLocal(own) || name === undefined;
  return [
    ...(name === undefined ? [] : [`http://${name}${end}`]),
    ...(isTypable ? [`http://${bracketed(own)}${end}`] : []),
  ];
}

/**
 * Only a name can be pointed somewhere else; an address is an origin of its own. Loopback counts too: a forwarded port (ssh -L, a
 * virtual machine's) is asked for by a loopback address and arrives at another.
 */
function isOwn(name: string, own: string, names: () => string[]): boolean {
  const address = plainAddress(name);
  if (isIP(address) > 0) return address === own || isLoopback(address);
  return name === "localhost" || names().includes(name);
}

/** `[fd00::1]:80` -> `fd00::1`. The port is not compared: it differs if it is forwarded. RFC 1035: a name has at most 253 characters. */
function hostName(host: string): string | undefined {
  if (host.length > 260) return undefined;
  const match = /^(\[[0-9a-f:.]+(?:%[\w.%-]+)?\]|[a-z0-9.-]+)(?::\d{1,5})?$/.exec(host);
  const name = match?.[1]?.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  return host.startsWith("[") && isIP(name?.replace(/%.*$/, "") ?? "") !== 6 ? undefined : name;
}

/** Browsers leave port 80 out, other programs need not. */
const withoutPort80 = (origin: string): string => origin.replace(/:80$/, "");

const isLoopback = (address: string): boolean => isInside(address, "127.0.0.0/8") || address === "::1";
