// News and documents that still have to spread: each rides on a bounded number of datagrams. Documents that cannot wait go
// before all else, then the least told.
// Pure.
import { DATAGRAM_BYTES, type Freight, type Summary, weigh } from "./messages.ts";
import { isCharge, type News } from "./news.ts";

/** Those of the lowest `order` go first: how often it was told, far less for what cannot wait. */
export type Rumour = { about: string; told: number; order: number; sizeBytes: number } & (
  | { news: News }
  | { document: Summary }
);
export type Rumours = readonly Rumour[];

/** More waits for the next full sync: a member tells about ten rumours a second, so what is further back comes too late. */
const MOST = 512;
const ENVELOPE_BYTES = 96; // type, sequence and target of a message
/** Kinds of documents that no other may delay. */
export const urgentKinds: ReadonlySet<string> = new Set(["revocation"]);
const URGENT = -1_000;
const LATER = 4; // an accusation is only a reason to look: what a member says of itself goes first
const LEAST_BYTES = 60; // a document with a short id: less room than this holds nothing more

/** How often to tell a rumour so that it almost certainly reaches all `clusterSize` members (memberlist). */
export const tellings = (clusterSize: number): number => 4 * Math.ceil(Math.log10(clusterSize + 1));

/** A claim ends whatever was told of its subject; each accuser's word stands beside the others'. */
export function addNews(rumours: Rumours, news: News): Rumours {
  const others = isCharge(news) ? rumours : forget(rumours, news.id);
  return add(others, {
    about: nameOf(news),
    told: 0,
    order: isCharge(news) ? LATER : 0,
    sizeBytes: weigh({ news: [news] }),
    news,
  });
}

const nameOf = (news: News): string => (isCharge(news) ? `${news.id} ${news.by}` : news.id);

export const addDocument = (rumours: Rumours, document: Summary): Rumours =>
  add(rumours, {
    about: `${document.kind} ${document.id}`,
    told: 0,
    order: urgentKinds.has(document.kind) ? URGENT : 0,
    sizeBytes: weigh({ documents: [document] }),
    document,
  });

/** Without what was told of member `id`. */
export const forget = (rumours: Rumours, id: string): Rumours =>
  rumours.some((rumour) => "news" in rumour && rumour.news.id === id)
    ? rumours.filter((rumour) => !("news" in rumour) || rumour.news.id !== id)
    : rumours;

/** Without what member `by` said of `id`. */
export const dropCharge = (rumours: Rumours, id: string, by: string): Rumours =>
  rumours.filter(({ about }) => about !== `${id} ${by}`);

/** A newer rumour replaces the older one of its name. The list stays sorted. */
function add(rumours: Rumours, rumour: Rumour): Rumours {
  const result: Rumour[] = [];
  let isIn = false;
  for (const other of rumours) {
    if (!isIn && other.order >= rumour.order) {
      result.push(rumour);
      isIn = true;
    }
    if (other.about !== rumour.about && result.length < MOST) result.push(other);
  }
  if (!isIn) result.push(rumour);
  return result;
}

/** `first` and as many rumours as fit into one datagram, and the rumours that remain. */
export function load(rumours: Rumours, first: readonly News[], clusterSize: number): [Freight, Rumours] {
  const freight: Freight = { news: [...first], documents: [] };
  if (rumours.length === 0) return [freight, rumours];
  const aboard = new Set(first.map(nameOf));
  let roomBytes = DATAGRAM_BYTES - ENVELOPE_BYTES - weigh({ news: [...first] });
  const taken: Rumour[] = [];
  const left: Rumour[] = [];
  const most = tellings(clusterSize);
  let looked = 0;
  for (const rumour of rumours) {
    if (roomBytes < LEAST_BYTES) break;
    looked++;
    const isAboard = aboard.has(rumour.about);
    if (!isAboard && roomBytes < rumour.sizeBytes) {
      left.push(rumour);
      continue;
    }
    if (!isAboard) {
      roomBytes -= rumour.sizeBytes;
      if ("news" in rumour) freight.news.push(rumour.news);
      else freight.documents.push(rumour.document);
    }
    if (rumour.told + 1 < most) taken.push({ ...rumour, told: rumour.told + 1, order: rumour.order + 1 });
  }
  return [freight, merge(left.concat(rumours.slice(looked)), taken)];
}

/** Two sorted lists as one. */
function merge(some: readonly Rumour[], others: readonly Rumour[]): Rumours {
  const result: Rumour[] = [];
  let at = 0;
  for (const other of others) {
    while (at < some.length && some[at]!.order <= other.order) result.push(some[at++]!);
    result.push(other);
  }
  while (at < some.length) result.push(some[at++]!);
  return result;
}
