// Whom to greet, where and when. Pure: hints, outcomes and time come in, orders to say hello go out.
import type { Neighbor } from "./neighbors.ts";

type Place = { address: string; port: number };
/** `due` waits for a free hand; `failed` for its time to come; `met` is greeted again when it changed or long after. */
type Phase =
  | { phase: "due"; failures: number }
  | { phase: "greeting"; place: Place; failures: number; isAgain: boolean }
  | { phase: "failed"; failures: number; retryAt: number }
  | { phase: "met"; place: Place; againAt: number };
/** `places`: where this neighbor was heard, the one to try next first. `hasAnswered`: once at least. */
type Contact = Phase & { places: Place[]; epoch: string | undefined; heardAt: number; hasAnswered: boolean };
export type Contacts = ReadonlyMap<string, Contact>;
export type Event =
  | { kind: "hint"; neighbor: Neighbor }
  | { kind: "answered"; key: string }
  | { kind: "failed"; key: string }
  /** Greet everybody again, or the one with this key: our own record changed, or a member went silent. */
  | { kind: "again"; key?: string }
  | { kind: "tick" };
export type Effect = { kind: "greet"; key: string; address: string; port: number };

const maxContacts = 256;
const maxPlaces = 4;
const maxGreeting = 4; // a small board verifies and answers at the same time
const firstRetryMs = 500;
const ceilingMs = 60_000;
const metForMs = 10 * 60_000; // then the next hint greets anew: heals what neither side noticed
const forgetMs = 30 * 60_000;

/** A neighbor is its id where that is known, else its place. */
export const keyOf = ({ id, address, port }: Neighbor): string => id ?? `${address} ${port}`;

/** `random` in [0, 1) spreads the retries of devices that were switched on together. */
export function step(contacts: Contacts, event: Event, now: number, random: number): [Contacts, Effect[]] {
  const next = new Map(contacts);
  switch (event.kind) {
    case "hint":
      hear(next, event.neighbor, now);
      break;
    case "answered": {
      const contact = next.get(event.key);
      if (contact?.phase !== "greeting") break;
      const { places, epoch, heardAt, place, isAgain } = contact;
      const common = { places, epoch, heardAt, hasAnswered: true };
      const met: Phase = { phase: "met", place, againAt: now + metForMs * (0.5 + random) };
      next.set(event.key, { ...common, ...(isAgain ? { phase: "due", failures: 0 } : met) });
      break;
    }
    case "failed": {
      const contact = next.get(event.key);
      if (contact?.phase !== "greeting") break;
      const { places, epoch, heardAt, hasAnswered, place, failures } = contact;
      const backoffMs = Math.min(ceilingMs, firstRetryMs * 2 ** failures) * (0.5 + random / 2);
      next.set(event.key, {
        ...{
          epoch,
          heardAt,
          hasAnswered,
          phase: "failed",
          failures: Math.min(failures + 1, 16),
          retryAt: now + backoffMs,
        },
        // Another place may be the better one; this one has its turn after all others.
        places: [...places.filter((other) => !isSame(other, place)), place],
      });
      break;
    }
    case "again":
      for (const key of event.key === undefined ? [...next.keys()] : [event.key]) makeDue(next, key);
      break;
    case "tick":
      for (const [key, { heardAt, phase }] of next) {
        if (now - heardAt >= forgetMs && phase !== "greeting") next.delete(key);
      }
  }
  return greetDue(next, now);
}

function hear(contacts: Map<string, Contact>, neighbor: Neighbor, now: number): void {
  const key = keyOf(neighbor);
  const place: Place = { address: neighbor.address, port: neighbor.port };
  const known = contacts.get(key);
  if (!known) {
    if (contacts.size >= maxContacts && !makeRoom(contacts)) return;
    const news = { places: [place], epoch: neighbor.epoch, heardAt: now, hasAnswered: false };
    contacts.set(key, { ...news, phase: "due", failures: 0 });
    return;
  }
  const isNewPlace = !known.places.some((other) => isSame(other, place));
  const places = isNewPlace ? [place, ...known.places].slice(0, maxPlaces) : known.places;
  contacts.set(key, { ...known, places, epoch: neighbor.epoch, heardAt: now });
  const hasChanged = known.epoch !== neighbor.epoch;
  const isStale = known.phase === "met" && now >= known.againAt;
  // A second address of somebody already met is no news; for one that did not answer it is.
  if (hasChanged || isStale || (isNewPlace && known.phase === "failed")) makeDue(contacts, key);
}

/** Whoever failed most often makes room for somebody new, else the stranger heard longest ago: forged ones wait for us in any number. */
function makeRoom(contacts: Map<string, Contact>): boolean {
  const failed = [...contacts].filter(([, { phase }]) => phase === "failed");
  const strangers = [...contacts].filter(([, { phase, hasAnswered }]) => phase === "due" && !hasAnswered);
  const worst =
    failed.sort(([, one], [, other]) => failuresOf(other) - failuresOf(one))[0] ??
    strangers.sort(([, one], [, other]) => one.heardAt - other.heardAt)[0];
  return worst !== undefined && contacts.delete(worst[0]);
}

function makeDue(contacts: Map<string, Contact>, key: string): void {
  const contact = contacts.get(key);
  if (!contact || contact.phase === "due") return;
  const { places, epoch, heardAt, hasAnswered } = contact;
  if (contact.phase === "greeting") contacts.set(key, { ...contact, isAgain: true });
  else contacts.set(key, { places, epoch, heardAt, hasAnswered, phase: "due", failures: 0 });
}

function greetDue(contacts: Map<string, Contact>, now: number): [Contacts, Effect[]] {
  const effects: Effect[] = [];
  let busy = [...contacts.values()].filter(({ phase }) => phase === "greeting").length;
  // Acquaintances first, then the newest: a hundred forged neighbors that never answer must not keep a real one waiting.
  const due = [...contacts]
    .filter(([, contact]) => contact.phase === "due" || (contact.phase === "failed" && now >= contact.retryAt))
    .sort(
      ([, one], [, other]) =>
        failuresOf(one) - failuresOf(other) ||
        Number(other.hasAnswered) - Number(one.hasAnswered) ||
        other.heardAt - one.heardAt,
    );
  for (const [key, contact] of due) {
    const place = contact.places[0];
    if (busy >= maxGreeting || !place || contact.phase === "met") break;
    const { places, epoch, heardAt, hasAnswered, failures } = contact;
    contacts.set(key, { places, epoch, heardAt, hasAnswered, phase: "greeting", place, failures, isAgain: false });
    effects.push({ kind: "greet", key, ...place });
    busy += 1;
  }
  return [contacts, effects];
}

const failuresOf = (contact: Contact) => (contact.phase === "met" ? 0 : contact.failures);
const isSame = (one: Place, other: Place) => one.address === other.address && one.port === other.port;
