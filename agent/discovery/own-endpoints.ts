// Where other devices can try to reach this one. Pure.
import { bracketed, isLinkLocal } from "../../system/address.ts";
import type { LinkInterface } from "./links.ts";

export const endpointOf = (address: string, port: number | string): string => `${bracketed(address)}:${port}`;

export const hostOf = (endpoint: string): string =>
  endpoint.slice(0, endpoint.lastIndexOf(":")).replaceAll(/[[\]]/g, "");

/** Addresses that mean the same on the other side: none that need a scope. */
export function endpointsOf(links: readonly Pick<LinkInterface, "addresses">[], port: number): string[] {
  const addresses = links.flatMap((link) => link.addresses.map(({ address }) => address));
  return addresses.filter((address) => !isLinkLocal(address)).map((address) => endpointOf(address, port));
}
