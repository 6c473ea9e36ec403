// Whether a request may be answered. The page has no password, so a foreign web page must not be able to read it
// through its visitor's browser: not by a name of its own that points here (Host), and not from its own origin (Origin).
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";

/** Why not, or undefined. `names` are host names of this server; its own addresses always count. */
export function refusal(request: IncomingMessage, names: () => string[]): string | undefined {
  const { localAddress } = request.socket;
  // A unix socket: its file mode has decided already, and no browser gets there.
  if (localAddress === undefined) return undefined;
  const host = request.headers.host ?? "";
  const name = nameIn(host);
  if (name === undefined || !isOurs(name, plain(localAddress), names)) return "this is not the host you asked for";
  const { origin } = request.headers;
  if (origin !== undefined && origin !== `http://${host}`) return "another site may not read this page";
  // Browsers say who asks. A link on another site may lead here; a script there may not read.
  const site = request.headers["sec-fetch-site"];
  const isVisit = request.headers["sec-fetch-mode"] === "navigate";
  if ((site === "cross-site" || site === "same-site") && !isVisit) return "another site may not read this page";
  return undefined;
}

/**
 * Only a name can be made to point somewhere else; an address is an origin of its own. Ours and loopback count: a forwarded
 * port (ssh -L, a virtual machine's) is asked for by a loopback address and arrives at another.
 */
function isOurs(name: string, own: string, names: () => string[]): boolean {
  if (isIP(name) > 0) return plain(name) === own || isLoopback(plain(name));
  return name === "localhost" || names().includes(name);
}

/** `[fd00::1]:80` -> `fd00::1`. The port is not compared: it differs where one is forwarded. */
function nameIn(host: string): string | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d{1,5})?$/i.exec(host);
  return match?.[1]
    ?.toLowerCase()
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "");
}

/** One spelling per address: zone cut off, IPv4 as itself, IPv6 as the URL standard writes it. */
function plain(address: string): string {
  const bare = address.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.)/i, "");
  return isIP(bare) === 6 ? new URL(`http://[${bare}]`).hostname.slice(1, -1) : bare;
}

const isLoopback = (address: string): boolean => address.startsWith("127.") || address === "::1";
