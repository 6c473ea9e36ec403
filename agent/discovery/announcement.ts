// What a device announces by mDNS, and what it reads from other announcements. Pure.
// `_hamlet._udp`, TXT: v (version), n (8 hex digits of a hash of the neighborhood's id), id (device), p (hello port), e (epoch: changes when the
// device, its addresses or its links did).
import { z } from "zod";

export const serviceType = "_hamlet._udp.local";
/** Bytes that every packet with our service type contains: DNS writes each label after its length. */
export const serviceLabel = Buffer.from("\x07_hamlet\x04_udp", "latin1");

export const Announcement = z.object({
  v: z.literal("1"),
  n: z.string().regex(/^[0-9a-f]{8}$/),
  id: z.string().regex(/^[a-z2-7]{26}$/),
  p: z
    .string()
    .regex(/^[1-9][0-9]{0,4}$/)
    .transform(Number)
    .pipe(z.int().max(65535)),
  e: z
    .string()
    .regex(/^[0-9a-f]{1,8}$/)
    .default("0"),
});
export type Announcement = z.infer<typeof Announcement>;
export type Sighting = Announcement & { name: string; isGoodbye: boolean };

type DnsRecord = { type: string; name: string; ttl?: number; data?: unknown };
export type DnsPacket = { answers: DnsRecord[]; additionals: DnsRecord[] };

const instance = /^([a-z0-9][a-z0-9-]{0,53})-[a-z2-7]{8}\._hamlet\._udp\.local$/;
// A device announces itself alone. A reflector between two networks may put a few into one packet; a thousand are a flood.
const maxPerPacket = 8;

/** Part of the id makes it unique, so that two devices with one name never answer for each other. */
export const instanceName = (name: string, id: string): string => `${name.slice(0, 54)}-${id.slice(0, 8)}`;

export function readSightings({ answers, additionals }: DnsPacket): Sighting[] {
  const sightings: Sighting[] = [];
  for (const record of [...answers, ...additionals]) {
    if (record.type !== "TXT" || !Array.isArray(record.data)) continue;
    const name = instance.exec(String(record.name))?.[1];
    if (!name) continue;
    const parsed = Announcement.safeParse(itemsOf(record.data));
    if (parsed.success) sightings.push({ ...parsed.data, name, isGoodbye: record.ttl === 0 });
    if (sightings.length >= maxPerPacket) break;
  }
  return sightings;
}

function itemsOf(data: unknown[]): Record<string, string> {
  const items = data.slice(0, 16).map((item) => String(item).slice(0, 64));
  return Object.fromEntries(
    items
      .filter((item) => item.includes("="))
      .map((item) => [item.split("=", 1)[0]!, item.slice(item.indexOf("=") + 1)]),
  );
}
