// News and documents that still have to spread: each rides on a bounded number of datagrams, the least told first.
// Pure.
import { DATAGRAM_BYTES, type Freight, type Summary, weigh } from "./messages.ts";
import type { News } from "./news.ts";

export type Rumour = { about: string; told: number; sizeBytes: number } & ({ news: News } | { document: Summary });
export type Rumours = readonly Rumour[];

const MOST = 4_096; // more than this waits for the next full sync
const ENVELOPE_BYTES = 96; // type, sequence and target of a message
const LEAST_BYTES = 60; // a document with a short id: less room than this holds nothing more

/** How often to tell a rumour so that it almost certainly reaches all `clusterSize` members (memberlist). */
export const tellings = (clusterSize: number): number => 4 * Math.ceil(Math.log10(clusterSize + 1));

export const addNews = (rumours: Rumours, news: News): Rumours =>
  add(rumours, { about: news.id, told: 0, sizeBytes: weigh({ news: [news] }), news });

export const addDocument = (rumours: Rumours, document: Summary): Rumours =>
  add(rumours, {
    about: `${document.kind} ${document.id}`,
    told: 0,
    sizeBytes: weigh({ documents: [document] }),
    document,
  });

export const forget = (rumours: Rumours, about: string): Rumours => rumours.filter((rumour) => rumour.about !== about);

/** A newer rumour replaces an older one about the same subject. The list stays sorted by how often each was told. */
function add(rumours: Rumours, rumour: Rumour): Rumours {
  return [rumour, ...forget(rumours, rumour.about)].slice(0, MOST);
}

/** `first` and as many rumours as fit into one datagram, and the rumours that remain. */
export function load(rumours: Rumours, first: readonly News[], clusterSize: number): [Freight, Rumours] {
  const freight: Freight = { news: [...first], documents: [] };
  if (rumours.length === 0) return [freight, rumours];
  const aboard = new Set(first.map((news) => news.id));
  let roomBytes = DATAGRAM_BYTES - ENVELOPE_BYTES - weigh({ news: [...first] });
  const taken: Rumour[] = [];
  const left: Rumour[] = [];
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
    if (rumour.told + 1 < tellings(clusterSize)) taken.push({ ...rumour, told: rumour.told + 1 });
  }
  return [freight, left.concat(rumours.slice(looked), taken).sort((a, b) => a.told - b.told)];
}
