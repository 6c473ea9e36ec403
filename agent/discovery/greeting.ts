// Decides whom to greet, where and when. Pure: hints, outcomes and time come in, greetings to start go out.
// Anyone on the link can forge hints, from any address and for any id. So each id is a separate contact at each address, the outcome of
// one says nothing about another, devices met before have slots of their own, and repeated hints go before single ones.

import { backoffMs } from "../../system/retry.ts";
import type { Neighbor } from "./neighbors.ts";

/** `spare`: another place of a device already met, used if that one fails. `met`: greeted again after a change or a long time. */
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
  /** The key in a seed. */
  wireguardKey: string | undefined;
  /** How often a hint named it. The lot, drawn at each hint, decides between contacts that are otherwise equal. */
  hints: number;
  hintedAt: number;
  lot: number;
  failures: number;
  retryAt: number;
  /** A device answered here before, or the owner named this place. */
  isTrusted: boolean;
  /** When a hint of another epoch was last believed. */
  changedAt?: number;
};
type Contact = Phase & Common;
/** By id and place. */
export type Contacts = ReadonlyMap<string, Contact>;
export type Event =
  | { kind: "hint"; neighbor: Neighbor }
  /** Without a place: the greeting of this key that began first. */
  | { kind: "answered" | "failed"; key: string; place?: { address: string; port: number } }
  /** Greet again all devices that were met, or the one with this key: our own record changed, or a member went silent. */
  | { kind: "again"; key?: string }
  /** Greet now, without the wait after a failure: the root has let somebody in. */
  | { kind: "welcome"; key?: string }
  | { kind: "tick" };
export type Effect = {
  kind: "greet";
  key: string;
  address: string;
  port: number;
  wireguardKey?: string;
};

const maxContacts = 256;
const maxPerAddress = 4; // one computer may run a few agents
// A forged neighbor holds a slot until its address times out; a real one for some milliseconds.
const maxGreeting = { strangers: 32, all: 36, perAddress: 2 };
// The library announces three times: more hints prove nothing.
const maxCredit = 2;
const retries = { firstMs: 500, longestMs: 60_000 };
const siblingMs = 100; // a device with two addresses is met at the first before the second is tried
const metForMs = 10 * 60_000; // then the next hint greets anew: repairs what neither side noticed
const changeMs = 5_000; // anyone can claim another epoch for any device
const forgetMs = 30 * 60_000;

/** A neighbor's key is its id if that is known, else its place. */
export const keyOf = ({ id, address, port }: Neighbor): string => id ?? `${address} ${port}`;
export const isIdKey = (key: string): boolean => !key.includes(" ");
const slotOf = (key: string, { address, port }: { address: string; port: number }) => `${key} ${address} ${port}`;

/** `random` in [0, 1) spreads the retries of devices that were switched on together. */
export function step(contacts: Contacts, event: Event, now: number, random: number): [Contacts, Effect[]] {
  const next = new Map(contacts);
  switch (event.kind) {
    case "hint":
      takeHint(next, event.neighbor, now, random);
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
      const failures = Math.min(contact.failures + 1, 16);
      put(next, {
        ...contact,
        phase: "waiting",
        failures,
        retryAt: contact.isAgain ? now : now + backoffMs(retries, contact.failures, random),
      });
      for (const other of siblings(next, contact))
        if (other.phase === "spare") put(next, { ...other, phase: "waiting" });
      break;
    }
    case "again":
      for (const contact of next.values()) {
        if (event.key === undefined || contact.key === event.key) greetAgain(next, contact, now);
      }
      break;
    case "welcome":
      for (const contact of next.values()) {
        if (event.key !== undefined && contact.key !== event.key) continue;
        if (contact.phase === "greeting") put(next, { ...contact, isAgain: true });
        else if (contact.phase === "waiting") put(next, { ...contact, failures: 0, retryAt: now });
      }
      break;
    case "tick":
      for (const [slot, { hintedAt, phase }] of next) {
        if (now - hintedAt >= forgetMs && phase !== "greeting") next.delete(slot);
      }
  }
  return greetDue(next, now);
}

function takeHint(contacts: Map<string, Contact>, neighbor: Neighbor, now: number, lot: number): void {
  const { address, port, epoch, wireguardKey } = neighbor;
  const key = keyOf(neighbor);
  const known = contacts.get(slotOf(key, neighbor));
  if (known) {
    const isBelieved = known.epoch !== epoch && isLongAgo(known, now);
    const hinted = { ...known, hints: known.hints + 1, hintedAt: now, lot };
    put(contacts, isBelieved ? { ...hinted, epoch, failures: 0, retryAt: now, changedAt: now } : hinted);
    if (isBelieved || (known.phase === "met" && now >= known.againAt)) visitAgain(contacts, hinted, now);
    return;
  }
  if (!makeRoom(contacts, address)) return;
  const isTrusted = neighbor.via === "seed";
  const common = { key, address, port, epoch, wireguardKey, isTrusted };
  const fresh = { ...common, hints: 1, hintedAt: now, lot, failures: 0, retryAt: now };
  const met = siblings(contacts, fresh).find(({ phase }) => phase === "met");
  put(contacts, { ...fresh, phase: met ? "spare" : "waiting" });
  // A second address of a device already met is no news; another epoch is.
  if (met && met.epoch !== epoch && isLongAgo(met, now)) visitAgain(contacts, fresh, now);
}

/** A hint of a change makes us revisit places that answered before: a forged hint must not send us elsewhere. */
function visitAgain(contacts: Map<string, Contact>, told: Common, now: number): void {
  for (const contact of [...contacts.values()]) {
    if (contact.key === told.key && contact.isTrusted) greetAgain(contacts, { ...contact, changedAt: now }, now);
  }
}

function greetAgain(contacts: Map<string, Contact>, contact: Contact, now: number): void {
  if (contact.phase === "greeting") put(contacts, { ...contact, isAgain: true });
  // A contact that never answered keeps its own retry times.
  else if (contact.isTrusted) put(contacts, { ...contact, phase: "waiting", failures: 0, retryAt: now });
}

/** Makes room for a newcomer: drops the worst stranger, at its own address if that has enough, else among all. */
function makeRoom(contacts: Map<string, Contact>, address: string): boolean {
  const strangers = [...contacts.values()].filter(({ phase, isTrusted }) => phase !== "greeting" && !isTrusted);
  const sameAddress = strangers.filter((stranger) => stranger.address === address);
  const crowd =
    sameAddress.length >= maxPerAddress ? sameAddress : contacts.size >= maxContacts ? strangers : undefined;
  if (!crowd) return true;
  // By age, not by lot: a device that announces again in a second must still be here then.
  const isWorse = (one: Common, other: Common) => scoreOf(one) - scoreOf(other) || other.hintedAt - one.hintedAt;
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
  const hasSlot = ({ isTrusted }: Common) => isTrusted || strangers < maxGreeting.strangers;
  const due = [...contacts.values()].filter((contact) => {
    return contact.phase === "waiting" && now >= contact.retryAt && hasSlot(contact);
  });
  due.sort((one, other) => Number(other.isTrusted) - Number(one.isTrusted) || byWorth(one, other));
  const effects: Effect[] = [];
  for (const contact of due) {
    const { key, address, port, isTrusted, wireguardKey } = contact;
    const here = perAddress.get(address) ?? 0;
    if (all >= maxGreeting.all) break;
    if (begun.has(key)) continue;
    if (!hasSlot(contact) || (!isTrusted && here >= maxGreeting.perAddress)) continue;
    put(contacts, { ...contact, phase: "greeting", startedAt: now, isAgain: false });
    effects.push({ kind: "greet", key, address, port, ...(wireguardKey && { wireguardKey }) });
    begun.add(key);
    perAddress.set(address, here + 1);
    all += 1;
    strangers += Number(!isTrusted);
  }
  return [contacts, effects];
}

/** Best first: few failures, repeated hints; then the lot decides, so that no forger can always be the latest. */
const byWorth = (one: Common, other: Common) =>
  scoreOf(one) - scoreOf(other) || other.lot - one.lot || other.hintedAt - one.hintedAt;
const scoreOf = ({ failures, hints }: Common) => failures - Math.min(hints - 1, maxCredit);

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
