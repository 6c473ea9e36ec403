// What this member believes about each other one: a persistent map in pages, so that a step that changes one belief of a
// thousand copies one page. Each page knows when something is due and how many are reachable, so that few of them are read.
// Pure.
import { pick, type Random } from "../../system/random.ts";
import type { Allowance } from "./allowance.ts";
import type { ChargeNews } from "./news.ts";

/** Pings to a member that does not answer: ever more rarely, but for ever. */
export type Knock = { at: number; everyMs: number };

/** What accusers said of the known incarnation, each in its own name. */
export type Accusers = ReadonlyMap<string, Pick<ChargeNews, "state" | "proof">>;
export const nobody: Accusers = new Map();

type Known = {
  incarnation: number;
  signature: string;
  /** When this state began. */
  since: number;
  rttMs?: number;
  accusers: Accusers;
  /** What this member's own word may still cause. */
  allowance?: Allowance;
  /** Probes in a row that were answered through helpers only. */
  hearsay: number;
};
/** Incarnation 0: nothing signed was heard of this member yet. It is suspect at first, and dead if it stays silent. */
export type Belief = Known &
  (
    | { state: "alive"; accusedAt?: number; lookAt?: number }
    // Suspect and dead are what this member found itself, or what a majority says: never the word of one other.
    | { state: "suspect"; accusedAt: number; deadline: number; knock: Knock }
    | { state: "dead"; knock: Knock }
    | { state: "left" }
  );

/** Members worth probing and telling: heard of, and not known to be gone. */
export const isReachable = (member: Belief): boolean => member.incarnation > 0 && isPresent(member);
const isPresent = ({ state }: Belief): boolean => state === "alive" || state === "suspect";

const never = Number.POSITIVE_INFINITY;

/** When this member must not wait: a suspect to be buried, a newcomer to be greeted. */
const urgentAt = (member: Belief): number =>
  member.state !== "suspect" ? never : Math.min(member.deadline, isStranger(member) ? member.knock.at : never);

/** When this member is due for a knock or a look, of which there are a few a second. */
function callAt(member: Belief): number {
  if (member.state === "alive") return member.lookAt ?? never;
  return member.state === "dead" || (member.state === "suspect" && !isStranger(member)) ? member.knock.at : never;
}

/** Nothing was heard of it yet, and its time is not over. */
const isStranger = ({ incarnation }: Belief): boolean => incarnation === 0;

type Entry = readonly [id: string, belief: Belief];
type Page = {
  /** A member that is gone leaves a gap. */
  readonly entries: readonly (Entry | undefined)[];
  readonly known: number;
  readonly present: number;
  readonly reachable: number;
  readonly urgentAt: number;
  readonly callAt: number;
};
/** A change copies a page and the list of pages: for a thousand members, the largest neighborhood, as much of each. */
const PAGE = 32;

export class Beliefs implements Iterable<Entry> {
  readonly places: ReadonlyMap<string, number>;
  readonly pages: readonly Page[];
  readonly size: number;
  /** Members not known to be gone. */
  readonly present: number;
  readonly reachable: number;
  /** When the first of them must not wait any longer. */
  readonly urgentAt: number;
  /** When the first of them is due for a knock or a look. */
  readonly callAt: number;

  private constructor(places: ReadonlyMap<string, number>, pages: readonly Page[]) {
    this.places = places;
    this.pages = pages;
    let [size, present, reachable, urgent, call] = [0, 0, 0, never, never];
    for (const page of pages) {
      size += page.known;
      present += page.present;
      reachable += page.reachable;
      if (page.urgentAt < urgent) urgent = page.urgentAt;
      if (page.callAt < call) call = page.callAt;
    }
    this.size = size;
    this.present = present;
    this.reachable = reachable;
    this.urgentAt = urgent;
    this.callAt = call;
  }

  static of(entries: Iterable<Entry>): Beliefs {
    const all = [...new Map(entries)];
    const pages: Page[] = [];
    for (let at = 0; at < all.length; at += PAGE) pages.push(pageOf(all.slice(at, at + PAGE)));
    return new Beliefs(new Map(all.map(([id], place) => [id, place])), pages);
  }

  get(id: string): Belief | undefined {
    const place = this.places.get(id);
    return place === undefined ? undefined : this.pages[Math.floor(place / PAGE)]!.entries[place % PAGE]?.[1];
  }

  has(id: string): boolean {
    return this.get(id) !== undefined;
  }

  /** The same with another belief about a member that has a place, which all later versions share. */
  with(id: string, belief: Belief): Beliefs {
    return this.#put(id, [id, belief]);
  }

  without(id: string): Beliefs {
    return this.#put(id, undefined);
  }

  #put(id: string, entry: Entry | undefined): Beliefs {
    const place = this.places.get(id);
    if (place === undefined) return this;
    const [at, within] = [Math.floor(place / PAGE), place % PAGE];
    // slice() and an assignment take a third of the time of with().
    const pages = this.pages.slice();
    pages[at] = changed(this.pages[at]!, within, entry);
    return new Beliefs(this.places, pages);
  }

  *[Symbol.iterator](): Iterator<Entry> {
    for (const { entries } of this.pages) for (const entry of entries) if (entry) yield entry;
  }

  /** Suspects to be buried and newcomers to be greeted. */
  urgent(now: number): Entry[] {
    const found: Entry[] = [];
    for (const page of this.pages) {
      if (now < page.urgentAt) continue;
      for (const entry of page.entries) if (entry && now >= urgentAt(entry[1])) found.push(entry);
    }
    return found;
  }

  /** Whoever has waited longest for a knock or a look. */
  nextCall(now: number): Entry | undefined {
    if (now < this.callAt) return undefined;
    const page = this.pages.find((one) => one.callAt === this.callAt);
    return page?.entries.find((entry) => entry && callAt(entry[1]) === this.callAt);
  }

  /** Up to `count` different members that are reachable, by chance. */
  sample(random: Random, count: number): string[] {
    return pick(random, this.reachable, count).map((rank) => this.#reachableAt(rank));
  }

  #reachableAt(rank: number): string {
    let left = rank;
    for (const { entries, reachable } of this.pages) {
      if (left >= reachable) {
        left -= reachable;
        continue;
      }
      for (const entry of entries) if (entry && isReachable(entry[1]) && left-- === 0) return entry[0];
    }
    throw new RangeError(`fewer than ${rank + 1} members are reachable`);
  }
}

function pageOf(entries: readonly Entry[]): Page {
  let page: Page = { entries: [], known: 0, present: 0, reachable: 0, urgentAt: never, callAt: never };
  for (const [within, entry] of entries.entries()) page = changed(page, within, entry);
  return page;
}

/** Looks at the other members of the page only if this one was the first due: few of them are in the processor's cache. */
function changed(page: Page, within: number, entry: Entry | undefined): Page {
  const entries = page.entries.slice();
  const before = entries[within];
  entries[within] = entry;
  const [was, is] = [before?.[1], entry?.[1]];
  const difference = (of: (belief: Belief) => boolean) =>
    Number(is !== undefined && of(is)) - Number(was !== undefined && of(was));
  const first = (at: number, of: (belief: Belief) => number) => {
    const [wasAt, isAt] = [was ? of(was) : never, is ? of(is) : never];
    return isAt <= at || wasAt > at ? Math.min(at, isAt) : firstOf(entries, of);
  };
  return {
    entries,
    known: page.known + Number(is !== undefined) - Number(was !== undefined),
    present: page.present + difference(isPresent),
    reachable: page.reachable + difference(isReachable),
    urgentAt: first(page.urgentAt, urgentAt),
    callAt: first(page.callAt, callAt),
  };
}

function firstOf(entries: Page["entries"], of: (belief: Belief) => number): number {
  let at = never;
  for (const entry of entries) if (entry) at = Math.min(at, of(entry[1]));
  return at;
}
