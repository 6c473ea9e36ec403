// Token buckets: how often something may happen. `now` is monotonic, in ms, and an argument.
// `FairBucket` has tokens for each source, for each network, and for all known sources together. The more often a source asked
// lately, granted or not, the fewer of the common tokens it may take, so that a newcomer finds some. It remembers at most
// `maxSources` of a network, however many addresses are forged.
import type { Source } from "./address.ts";

export type Rate = { burst: number; perSecond: number };
export type Limits = {
  perSource: Rate;
  /** For all strangers of one network together; without it sources do not compete. */
  perNetwork?: Rate;
  /** For all known sources together. */
  known?: Rate;
  maxSources: number;
};

/** Full at first. A clock that steps back gives no tokens. */
export class Bucket {
  readonly #rate: Rate;
  #left: number;
  #at = Number.NEGATIVE_INFINITY;

  constructor(rate: Rate) {
    this.#rate = rate;
    this.#left = rate.burst;
  }

  /** Tokens that are there now. */
  level(now: number): number {
    const { burst, perSecond } = this.#rate;
    this.#left = Math.min(burst, this.#left + (Math.max(0, now - this.#at) / 1_000) * perSecond);
    this.#at = Math.max(this.#at, now);
    return this.#left;
  }

  take(tokens = 1): void {
    this.#left -= tokens;
  }

  /** Takes a token if there is one. */
  admits(now: number): boolean {
    if (this.level(now) < 1) return false;
    this.take();
    return true;
  }
}

/** A bucket for each source. The one that was used for longest no more is forgotten first. */
export function makeBuckets(rate: Rate, maxSources: number): (source: string) => Bucket {
  const buckets = new Map<string, Bucket>();
  return (source) => {
    const bucket = buckets.get(source) ?? new Bucket(rate);
    buckets.delete(source);
    if (buckets.size >= maxSources) buckets.delete(buckets.keys().next().value!);
    buckets.set(source, bucket);
    return bucket;
  };
}

/** `asked`: how often lately; the longer ago, the less it counts. */
type Visitor = { own: Bucket; asked: number; askedAt: number };
type Common = { bucket: Bucket; visitors: Map<string, Visitor> };

/** The most insistent source may take half of the common tokens; one that asked this often lately, three quarters. */
const insistentAsks = 8;
const unlimited: Rate = { burst: Number.MAX_SAFE_INTEGER, perSecond: Number.MAX_SAFE_INTEGER };

export class FairBucket {
  readonly #limits: Limits;
  readonly #commons = new Map<Source["network"] | "known", Common>();
  readonly #memoryMs: number;

  constructor(limits: Limits) {
    this.#limits = limits;
    // All remembered sources together, each asking so seldom that it counts as new, take half of the tokens that come in.
    this.#memoryMs = (2_000 * limits.maxSources) / (limits.perNetwork ?? limits.perSource).perSecond;
  }

  /** A source that is over its own limit takes no common tokens. */
  admits({ key, network }: Source, now: number, isKnown = false): boolean {
    const rate = (isKnown ? this.#limits.known : this.#limits.perNetwork) ?? unlimited;
    const name = isKnown ? "known" : network;
    const common = this.#commons.get(name) ?? { bucket: new Bucket(rate), visitors: new Map() };
    this.#commons.set(name, common);
    const visitor = this.#visit(common, key, now);
    const insistence = visitor.asked / (visitor.asked + insistentAsks);
    visitor.asked += 1;
    const wanted = 1 + (insistence * (rate.burst - 1)) / 2;
    if (visitor.own.level(now) < 1 || common.bucket.level(now) < wanted) return false;
    visitor.own.take();
    common.bucket.take();
    return true;
  }

  #visit({ visitors }: Common, key: string, now: number): Visitor {
    const fresh = { own: new Bucket(this.#limits.perSource), asked: 0, askedAt: now };
    const visitor = visitors.get(key) ?? fresh;
    visitor.asked *= Math.exp(-Math.max(0, now - visitor.askedAt) / this.#memoryMs);
    visitor.askedAt = Math.max(visitor.askedAt, now);
    // Back to the end: the source that has been away longest is forgotten first.
    visitors.delete(key);
    if (visitors.size >= this.#limits.maxSources) visitors.delete(visitors.keys().next().value!);
    visitors.set(key, visitor);
    return visitor;
  }
}
