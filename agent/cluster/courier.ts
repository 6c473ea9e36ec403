// Brings documents to this member: members tell of theirs by summary, and it fetches those that it lacks.
// Each source has a queue of its own and one fetch at a time, and a second one for revocations: no member delays what another tells.
import { createHash } from "node:crypto";
import type { Log } from "../../system/log.ts";
import type { Documents } from "./documents.ts";
import type { Summary } from "./messages.ts";
import { urgentKinds } from "./rumours.ts";

export type CourierOptions = {
  documents: Documents;
  fetch(from: string, kind: string, id: string): Promise<string>;
  /** Called with each document that was new to us: others may lack it too. */
  publish(summary: Summary): void;
  monotonic(): number;
  log: Log;
};

const AT_ONCE = 4; // of all sources together, revocations not counted
const MOST_WAITING = 2_048; // of one source: as many as a full sync names
const MOST_URGENT = 64;
const REFUSED_FOR_MS = 60_000; // then ask again: a pending device may be admitted, a missing document may have come
const MOST_REFUSED = 4_096;
const MOST_REFUSED_OF_ONE = 64; // within a minute
/** After so many fetches in a row that failed, or brought no revocation that is new, a source is asked once a second: never not at all. */
const MOST_FRUITLESS = 8;
const REST_MS = 1_000;

type Lane = {
  isUrgent: boolean;
  waiting: Map<string, Summary>;
  isBusy: boolean;
  fruitless: number;
  restsUntil: number;
};
type Source = { lanes: [urgent: Lane, plain: Lane]; refused: Map<string, number> };

const nameOf = ({ kind, id, number, digest }: Summary): string => `${kind} ${id} ${number} ${digest}`;
const subjectOf = ({ kind, id }: Summary): string => `${kind} ${id}`;
const makeLane = (isUrgent: boolean): Lane => ({
  ...{ isUrgent, waiting: new Map(), isBusy: false },
  ...{ fruitless: 0, restsUntil: Number.NEGATIVE_INFINITY },
});

export class Courier {
  readonly #o: CourierOptions;
  /** In the order of their turns. */
  readonly #sources = new Map<string, Source>();
  /** What its kind refused, whoever gave it. */
  readonly #refused = new Map<string, number>();
  /** Documents on their way that nobody else need fetch. */
  readonly #underWay = new Set<string>();

  constructor(o: CourierOptions) {
    this.#o = o;
  }

  /** Fetches from member `from` those of the documents that this member lacks. */
  collect(from: string, summaries: readonly Summary[]): void {
    const source = this.#sources.get(from) ?? { lanes: [makeLane(true), makeLane(false)], refused: new Map() };
    const isRejected = this.#isRejected(source);
    const held = new Map(this.#o.documents.summaries().map((summary) => [subjectOf(summary), summary]));
    for (const summary of summaries) {
      const name = nameOf(summary);
      const lane = source.lanes[urgentKinds.has(summary.kind) ? 0 : 1];
      // Another's documents may be refused here for reasons that are no fault of this source: revocations are always heard.
      if (isRejected && !lane.isUrgent) continue;
      const room = lane.isUrgent ? MOST_URGENT : MOST_WAITING;
      if (lane.waiting.size >= room || this.#isRefused(source, name)) continue;
      if (!this.#o.documents.knows(summary.kind) || !isNews(summary, held.get(subjectOf(summary)))) continue;
      if (!this.#o.documents.isDue(summary)) continue;
      lane.waiting.set(name, summary);
    }
    if (source.lanes.some(({ waiting }) => waiting.size > 0)) this.#sources.set(from, source);
    this.#work();
  }

  #isRefused({ refused }: Source, name: string): boolean {
    const since = this.#o.monotonic() - REFUSED_FOR_MS;
    return [refused, this.#refused].some((all) => (all.get(name) ?? Number.NEGATIVE_INFINITY) > since);
  }

  /** Whoever tells of nothing but what is refused is not asked for a while. */
  #isRejected({ refused }: Source): boolean {
    const oldest: number = refused.values().next().value ?? Number.NEGATIVE_INFINITY;
    return refused.size >= MOST_REFUSED_OF_ONE && oldest > this.#o.monotonic() - REFUSED_FOR_MS;
  }

  #work(): void {
    for (const [from, source] of this.#sources) {
      for (const lane of source.lanes) {
        if (lane.isBusy || this.#o.monotonic() < lane.restsUntil) continue;
        if (!lane.isUrgent && this.#underWay.size >= AT_ONCE) continue;
        const next = this.#next(lane);
        if (next) void this.#fetch(from, source, lane, ...next);
      }
    }
  }

  /** Drops what has come meanwhile, and passes over what another source is just giving: if that one fails, it is still here. */
  #next({ isUrgent, waiting }: Lane): [string, Summary] | undefined {
    for (const [name, summary] of waiting) {
      if (!isUrgent && this.#underWay.has(name)) continue;
      waiting.delete(name);
      const { documents } = this.#o;
      if (isNews(summary, documents.summaryOf(summary.kind, summary.id)) && documents.isDue(summary))
        return [name, summary];
    }
    return undefined;
  }

  async #fetch(from: string, source: Source, lane: Lane, name: string, summary: Summary): Promise<void> {
    const { documents, fetch, publish, log } = this.#o;
    const { kind, id, digest } = summary;
    lane.isBusy = true;
    let isFruitless = true;
    if (!lane.isUrgent) this.#underWay.add(name);
    try {
      const text = await fetch(from, kind, id);
      const outcome = await documents.offer(kind, text);
      isFruitless = lane.isUrgent && outcome !== "new";
      const kept = documents.summaryOf(kind, id);
      if (outcome === "new" && kept) publish(kept);
      // Bytes that the summary does not name say nothing about the document that it names.
      if (outcome !== "new" && digestOf(text).startsWith(digest)) this.#note(this.#refused, name, MOST_REFUSED);
      if (outcome !== "new") this.#note(source.refused, name, MOST_REFUSED_OF_ONE);
      if (this.#isRejected(source) && !lane.isUrgent) lane.waiting.clear();
    } catch (error) {
      log.debug(`${kind} ${id} from ${from}: ${error instanceof Error ? error.message : error}`);
    } finally {
      lane.isBusy = false;
      lane.fruitless = isFruitless ? lane.fruitless + 1 : 0;
      if (lane.fruitless >= MOST_FRUITLESS) this.#rest(lane);
      this.#underWay.delete(name);
      // To the end of the line.
      this.#sources.delete(from);
      const isInUse = (one: Lane) => one.isBusy || one.waiting.size > 0 || one.fruitless > 0;
      if (source.refused.size > 0 || source.lanes.some(isInUse)) this.#sources.set(from, source);
      this.#work();
    }
  }

  #rest(lane: Lane): void {
    lane.restsUntil = this.#o.monotonic() + REST_MS;
    setTimeout(() => this.#work(), REST_MS).unref();
  }

  #note(refused: Map<string, number>, name: string, most: number): void {
    refused.delete(name);
    refused.set(name, this.#o.monotonic());
    if (refused.size > most) refused.delete(refused.keys().next().value!);
  }
}

/** Equal numbers, different bytes: its kind must see both to judge. */
const isNews = (summary: Summary, own: Summary | undefined): boolean =>
  !own || summary.number > own.number || (summary.number === own.number && summary.digest !== own.digest);

const digestOf = (text: string): string => createHash("sha256").update(text).digest("base64url");
