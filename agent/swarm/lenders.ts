// Whom to ask for a piece of a release: who is the neighborhood's downloader, who is likely to have the piece, and who is not asked
// again, because it brought nothing, took too long, or sent wrong bytes.
// Pure: time comes in as an argument, in ms of a monotonic clock.
import { hash } from "node:crypto";

/** What this device knows of a member as a lender of one release. */
type Lender = {
  isLiar: boolean;
  /** Those that it has not unpacked itself are of a damaged pack. */
  hasWrongFrames: boolean;
  /** Not asked at all until then. */
  restsUntil: number;
  failures: number;
  /** Not asked to fetch until then. */
  noWayUntil: number;
  /** Not asked for what it keeps until then. */
  hasNothingUntil: number;
  /** When it last had what it was asked for. */
  hadAt: number;
  waitedMs: number;
};
const never = Number.NEGATIVE_INFINITY;

/** It had nothing that was wanted: it may have come further by then. */
const missMs = 15_000;
/** It did not even say so. */
const silentMs = 120_000;
const noWayMs = 60_000;
const rest = { firstMs: 60_000, longestMs: 3600_000 };
/**
 * What a lender may cost in all for one release, summed over four requests at a time: an hour on the clock. A large update by ten members
 * on a line of 256 kbit/s takes half of it.
 */
const mostWaitedMs = 4 * 3600_000;

/** The order in which members download for all the others: another one for each release. */
export const ranked = (ids: readonly string[], release: string): string[] =>
  ids
    .map((id) => ({ id, rank: hash("sha256", `${release}:${id}`, "hex") }))
    .toSorted((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ id }) => id);

export class Lenders {
  #release = "";
  readonly #known = new Map<string, Lender>();

  #of(id: string): Lender {
    const known = this.#known.get(id) ?? {
      ...{ isLiar: false, hasWrongFrames: false, restsUntil: never, failures: 0, noWayUntil: never },
      ...{ hasNothingUntil: never, hadAt: never, waitedMs: 0 },
    };
    this.#known.set(id, known);
    return known;
  }

  /** Returns the liars that another release has cleared of what they did. */
  begin(release: string): string[] {
    if (release === this.#release || release === "") return [];
    const cleared = [...this.#known].filter(([, { isLiar }]) => isLiar).map(([id]) => id);
    this.#release = release;
    this.#known.clear();
    return cleared;
  }

  mayAsk(id: string, now: number): boolean {
    const { isLiar, restsUntil, waitedMs } = this.#of(id);
    return !isLiar && restsUntil <= now && waitedMs < mostWaitedMs;
  }

  mayFetch(id: string, now: number, { isFrame = false } = {}): boolean {
    return this.mayAsk(id, now) && this.#of(id).noWayUntil <= now && !(isFrame && this.#of(id).hasWrongFrames);
  }

  /** Those that may have it: whoever had the last one first, and the others as they come. */
  keepers(ids: readonly string[], now: number, { isFrame = false } = {}): string[] {
    return ids
      .filter((id) => this.mayAsk(id, now) && this.#of(id).hasNothingUntil <= now)
      .filter((id) => !(isFrame && this.#of(id).hasWrongFrames))
      .toSorted((a, b) => (this.#of(a).hadAt === this.#of(b).hadAt ? 0 : this.#of(b).hadAt - this.#of(a).hadAt));
  }

  had(id: string, now: number): void {
    Object.assign(this.#of(id), { hadAt: now, failures: 0, hasNothingUntil: never });
  }

  hadNot(id: string, now: number): void {
    this.#of(id).hasNothingUntil = now + missMs;
  }

  keepsSilent(id: string, now: number): void {
    this.#of(id).hasNothingUntil = now + silentMs;
  }

  hasNoWay(id: string, now: number): void {
    this.#of(id).noWayUntil = now + noWayMs;
  }

  /** Their repositories lack what another has. */
  lack(ids: readonly string[], now: number): void {
    for (const id of ids) this.hasNoWay(id, now);
  }

  failed(id: string, now: number): void {
    const lender = this.#of(id);
    lender.restsUntil = now + Math.min(rest.longestMs, rest.firstMs * 2 ** lender.failures);
    lender.failures += 1;
    // What it has brought the others need not be fetched again: they are asked once more, but for those that say nothing.
    for (const other of this.#known.values()) if (other.hasNothingUntil <= now + missMs) other.hasNothingUntil = never;
  }

  hasWrongFrames(id: string): void {
    this.#of(id).hasWrongFrames = true;
  }

  waited(id: string, ms: number): void {
    this.#of(id).waitedMs += ms;
  }

  /** Returns whether that is news. */
  lied(id: string): boolean {
    const lender = this.#of(id);
    const isNews = !lender.isLiar;
    lender.isLiar = true;
    return isNews;
  }
}
