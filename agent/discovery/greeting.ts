// Whom to greet, where and when. Pure: hints, outcomes and time come in, orders to say hello go out.
// Anybody on the link can forge hints, from any address and under any id. So each id is a contact of its own at each address, what one
// does says nothing about another, whoever was met before has hands of its own, and who is heard again goes before who was heard once.
import type { Neighbor } from "./neighbors.ts";

/** `spare`: another place of somebody met, used when that one fails; `met` is greeted again when it changed or long after. */
type Phase =
  | { phase: "waiting" }
  | { phase: "greeting"; startedAt: number; isAgain: boolean }
  | { phase: "met"; againAt: number }
  | { phase: "spare" };
type Common = {
  key: string;
  address: string;
  port: number;
  epoch: string | undefined;
  /** How often a hint named it; the lot, drawn anew each time, is for those who are alike in all else. */
  heard: number;
  heardAt: number;
  lot: number;
  failures: number;
  retryAt: number;
  /** Whoever answered here once, or was named by the owner, is no stranger. */
  isTrusted: boolean;
  /** When word of another epoch was last believed. */
  changedAt?: number;
};
type Contact = Phase & Common;
/** By id and place. */
export type Contacts = ReadonlyMap<string, Contact>;
export type Event =
  | { kind: "hint"; neighbor: Neighbor }
  /** Without a place: whichever greeting of this key began first. */
  | { kind: "answered" | "failed"; key: string; place?: { address: string; port: number } }
  /** Greet everybody that was met again, or the one with this key: our own record changed, or a member went silent. */
  | { kind: "again"; key?: string }
  | { kind: "tick" };
export type Effect = { kind: "greet"; key: string; address: string; port: number };

const maxContacts = 256;
const maxPerAddress = 4; // one computer may run a few agents
// A forged neighbor costs a hand for as long as its address does not answer; a real one has it for some milliseconds.
const maxGreeting = { strangers: 32, all: 36, perAddress: 2 };
// The library announces three times: more than that proves nothing.
const maxCredit = 2;
const firstRetryMs = 500;
const ceilingMs = 60_000;
const siblingMs = 100; // a device with two addresses is met at the first before the second is tried
const metForMs = 10 * 60_000; // then the next hint greets anew: heals what neither side noticed
const changeMs = 5_000; // anybody can claim another epoch for anybody
const forgetMs = 30 * 60_000;

/** A neighbor is its id where that is known, else its place. */
export const keyOf = ({ id, address, port }: Neighbor): string => id ?? `${address} ${port}`;
export const isIdKey = (key: string): boolean => !key.includes(" ");
const slotOf = (key: string, { address, port }: { address: string; port: number }) => `${key} ${address} ${port}`;

/** `random` in [0, 1) spreads the retries of devices that were switched on together. */
export function step(contacts: Contacts, event: Event, now: number, random: number): [Contacts, Effect[]] {
  const next = new Map(contacts);
  switch (event.kind) {
    case "hint":
      hear(next, event.neighbor, now, random);
      break;
    case "answered": {
      const contact = greetingOf(next, event);
      if (!contact) break;
      const met = { ...contact, isTrusted: true, failures: 0, retryAt: now, againAt: now + metForMs * (0.5 + random) };
      put(next, contact.isAgain ? { ...met, phase: "waiting" } : { ...met, phase: "met" });
      for (const other of siblings(next, contact))
        if (other.phase === "waiting") put(next, { ...other, phase: "spare" });
      break;
    }
    case "failed": {
      const contact = greetingOf(next, event);
      if (!contact) break;
      const backoffMs = Math.min(ceilingMs, firstRetryMs * 2 ** contact.failures) * (0.5 + random / 2);
      const failures = Math.min(contact.failures + 1, 16);
      put(next, { ...contact, phase: "waiting", failures, retryAt: now + backoffMs });
      for (const other of siblings(next, contact))
        if (other.phase === "spare") put(next, { ...other, phase: "waiting" });
      break;
    }
    case "again":
      for (const contact of next.values()) {
        if (event.key === undefined || contact.key === event.key) greetAgain(next, contact, now);
      }
      break;
    case "tick":
      for (const [slot, { heardAt, phase }] of next) {
        if (now - heardAt >= forgetMs && phase !== "greeting") next.delete(slot);
      }
  }
  return greetDue(next, now);
}

function hear(contacts: Map<string, Contact>, neighbor: Neighbor, now: number, lot: number): void {
  const { address, port, epoch } = neighbor;
  const key = keyOf(neighbor);
  const known = contacts.get(slotOf(key, neighbor));
  if (known) {
    const isBelieved = known.epoch !== epoch && isLongAgo(known, now);
    const heard = { ...known, heard: known.heard + 1, heardAt: now, lot };
    put(contacts, isBelieved ? { ...heard, epoch, failures: 0, retryAt: now, changedAt: now } : heard);
    if (isBelieved || (known.phase === "met" && now >= known.againAt)) visitAgain(contacts, heard, now);
    return;
  }
  if (!makeRoom(contacts, address)) return;
  const isTrusted = neighbor.via === "seed";
  const fresh = { key, address, port, epoch, heard: 1, heardAt: now, lot, failures: 0, retryAt: now, isTrusted };
  const met = siblings(contacts, fresh).find(({ phase }) => phase === "met");
  put(contacts, { ...fresh, phase: met ? "spare" : "waiting" });
  // A second address of somebody already met is no news; one with another epoch is.
  if (met && met.epoch !== epoch && isLongAgo(met, now)) visitAgain(contacts, fresh, now);
}

/** Word of a change sends us where somebody has answered before: what others say must not send us elsewhere. */
function visitAgain(contacts: Map<string, Contact>, told: Common, now: number): void {
  for (const contact of [...contacts.values()]) {
    if (contact.key === told.key && contact.isTrusted) greetAgain(contacts, { ...contact, changedAt: now }, now);
  }
}

function greetAgain(contacts: Map<string, Contact>, contact: Contact, now: number): void {
  if (contact.phase === "greeting") put(contacts, { ...contact, isAgain: true });
  // Whoever never answered is tried by its own times anyway.
  else if (contact.isTrusted) put(contacts, { ...contact, phase: "waiting", failures: 0, retryAt: now });
}

/** Room for a newcomer: first at its own address, where that has enough, else the stranger least worth a try. */
function makeRoom(contacts: Map<string, Contact>, address: string): boolean {
  const strangers = [...contacts.values()].filter(({ phase, isTrusted }) => phase !== "greeting" && !isTrusted);
  const sameAddress = strangers.filter((stranger) => stranger.address === address);
  const crowd =
    sameAddress.length >= maxPerAddress ? sameAddress : contacts.size >= maxContacts ? strangers : undefined;
  if (!crowd) return true;
  // By age and not by lot: who announces again in a second shall still be here then.
  const isWorse = (one: Common, other: Common) => scoreOf(one) - scoreOf(other) || other.heardAt - one.heardAt;
  let worst = crowd[0];
  for (const contact of crowd) if (worst && isWorse(contact, worst) > 0) worst = contact;
  return worst !== undefined && contacts.delete(slotOf(worst.key, worst));
}

function greetDue(contacts: Map<string, Contact>, now: number): [Contacts, Effect[]] {
  const busy = [...contacts.values()].flatMap((contact) => (contact.phase === "greeting" ? [contact] : []));
  let [all, strangers] = [busy.length, busy.filter(({ isTrusted }) => !isTrusted).length];
  if (all >= maxGreeting.all) return [contacts, []];
  const perAddress = new Map<string, number>();
  for (const { address } of busy) perAddress.set(address, (perAddress.get(address) ?? 0) + 1);
  const begun = new Set(busy.filter(({ startedAt }) => now - startedAt < siblingMs).map(({ key }) => key));
  const hasHand = ({ isTrusted }: Common) => isTrusted || strangers < maxGreeting.strangers;
  const due = [...contacts.values()].filter((contact) => {
    return contact.phase === "waiting" && now >= contact.retryAt && hasHand(contact);
  });
  due.sort((one, other) => Number(other.isTrusted) - Number(one.isTrusted) || byWorth(one, other));
  const effects: Effect[] = [];
  for (const contact of due) {
    const { key, address, port, isTrusted } = contact;
    const here = perAddress.get(address) ?? 0;
    if (all >= maxGreeting.all) break;
    if (begun.has(key)) continue;
    if (!hasHand(contact) || (!isTrusted && here >= maxGreeting.perAddress)) continue;
    put(contacts, { ...contact, phase: "greeting", startedAt: now, isAgain: false });
    effects.push({ kind: "greet", key, address, port });
    begun.add(key);
    perAddress.set(address, here + 1);
    all += 1;
    strangers += Number(!isTrusted);
  }
  return [contacts, effects];
}

/** The best first: what did not fail, what was heard again; then the lot decides, so that nobody can always be the latest. */
const byWorth = (one: Common, other: Common) =>
  scoreOf(one) - scoreOf(other) || other.lot - one.lot || other.heardAt - one.heardAt;
const scoreOf = ({ failures, heard }: Common) => failures - Math.min(heard - 1, maxCredit);

const greetingOf = (contacts: Map<string, Contact>, { key, place }: Event & { kind: "answered" | "failed" }) => {
  const begun = [...contacts.values()].flatMap((contact) => (contact.phase === "greeting" ? [contact] : []));
  const all = begun.filter((contact) => contact.key === key && (!place || slotOf(key, place) === slotOf(key, contact)));
  return all.sort((one, other) => one.startedAt - other.startedAt)[0];
};
const siblings = (contacts: Map<string, Contact>, { key, address, port }: Common) =>
  [...contacts.values()].filter((other) => other.key === key && (other.address !== address || other.port !== port));
const put = (contacts: Map<string, Contact>, contact: Contact) =>
  void contacts.set(slotOf(contact.key, contact), contact);
const isLongAgo = ({ changedAt = Number.NEGATIVE_INFINITY }: Common, now: number) => now - changedAt >= changeMs;
