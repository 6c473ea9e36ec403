// `hamlet.local`: one name for a home, whichever devices it has. The live member with the lowest id answers. Pure.
import { isIPv4 } from "node:net";
import type { DnsQuestion } from "../../system/dns.ts";

export const commonName = "hamlet.local";
// The name moves when its holder goes: no cache should point at a dead device for longer.
const ttlS = 10;

export type AddressRecord = { name: string; type: "A" | "AAAA"; ttl: number; data: string };

/** The records that answer questions for the common name; `own` are our addresses on this link. */
export function answerCommonName(questions: readonly DnsQuestion[], own: readonly string[]): AddressRecord[] {
  const types = questions.filter(({ name }) => name.toLowerCase() === commonName).map(({ type }) => type);
  const wants = (type: string) => types.includes(type) || types.includes("ANY");
  return own
    .map((data): AddressRecord => ({ name: commonName, type: isIPv4(data) ? "A" : "AAAA", ttl: ttlS, data }))
    .filter(({ type }) => wants(type));
}
