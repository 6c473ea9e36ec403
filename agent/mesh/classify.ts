// What kind of place an endpoint from outside is.
// Pure.
import { isInside, isWithin, type Prefix, parseAddress, prefixOf } from "../../system/address.ts";
import { canonicalEndpoint, parseEndpoint } from "../../system/endpoint.ts";
import type { PathClass } from "./candidates.ts";

/** A subnet of this device: its addresses are on the same link. */
export type Link = { address: string; prefixLength: number };

/** The endpoint in its one spelling, and its class; undefined for places where no peer can be. */
export function classify(
  text: string,
  links: Link[],
  prefix: string,
): { endpoint: string; class: PathClass } | undefined {
  const endpoint = canonicalEndpoint(text);
  const parsed = endpoint === undefined ? undefined : parseEndpoint(endpoint);
  if (endpoint === undefined || !parsed) return undefined;
  const address = parseAddress(parsed.address)!;
  const isIn = (...prefixes: Prefix[]) => prefixes.some((one) => isWithin(address, one));
  if (isIn(...places.none)) return undefined;
  // Inside our own mesh: a tunnel through itself.
  if (isInside(parsed.address, prefix)) return undefined;
  if (isIn(places.linkLocal)) return parsed.scope === undefined ? undefined : { endpoint, class: "sameLink" };
  if (links.some((link) => isInside(parsed.address, `${link.address}/${link.prefixLength}`)))
    return { endpoint, class: "sameLink" };
  return { endpoint, class: isIn(places.global) ? "globalIpv6" : "observed" };
}

const places = {
  /** This network, loopback, multicast and reserved addresses. */
  none: ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/8", "ff00::/8"].map(prefixOf),
  linkLocal: prefixOf("fe80::/10"),
  global: prefixOf("2000::/3"),
};
