// How often who may come: tokens for each source, tokens for each network, and tokens of their own for those who are known.
// Fair: the oftener a source asked lately, granted or not, the fewer of the common tokens it may take, so that a newcomer finds some.
// Bounded: whatever addresses are forged, no more than `maxSources` of a network are remembered. Pure but for its own table.
import type { Source } from "./address.ts";

export type Rate = { burst: number; perSecond: number };
export type Limits = {
  perSource: Rate;
  /** For all strangers of one network together; without it nobody competes with anybody. */
  perNetwork?: Rate;
  /** For all that are known together. */
  known?: Rate;
  maxSources: number;
};
type Tokens = { left: number; at: number };
/** `asked`: how often lately; what is long past counts ever less. */
type Visitor = { own: Tokens; asked: number; askedAt: number };
type Common = { tokens: Tokens; visitors: Map<string, Visitor> };

/** The most insistent may take half of what is there for all; whoever asked this often lately, three quarters. */
const insistentAsks = 8;
const unlimited: Rate = { burst: Number.MAX_SAFE_INTEGER, perSecond: Number.MAX_SAFE_INTEGER };

export class FairBucket {
  readonly #limits: Limits;
  readonly #commons = new Map<Source["network"] | "known", Common>();
  readonly #memoryMs: number;

  constructor(limits: Limits) {
    this.#limits = limits;
    // As many sources as are remembered, each asking so seldom that it is as good as new, take half of what comes in.
    this.#memoryMs = (2_000 * limits.maxSources) / (limits.perNetwork ?? limits.perSource).perSecond;
  }

  /** `now` is monotonic, in ms. A source that is over its own limit takes nothing from the others'. */
  admits({ key, network }: Source, now: number, isKnown = false): boolean {
    const { perSource } = this.#limits;
    const rate = (isKnown ? this.#limits.known : this.#limits.perNetwork) ?? unlimited;
    const name = isKnown ? "known" : network;
    const common = this.#commons.get(name) ?? makeCommon(rate);
    this.#commons.set(name, common);
    const visitor = this.#visit(common, key, now);
    const insistence = visitor.asked / (visitor.asked + insistentAsks);
    visitor.asked += 1;
    const wanted = 1 + (insistence * (rate.burst - 1)) / 2;
    if (refill(visitor.own, perSource, now) < 1 || refill(common.tokens, rate, now) < wanted) return false;
    visitor.own.left -= 1;
    common.tokens.left -= 1;
    return true;
  }

  #visit({ visitors }: Common, key: string, now: number): Visitor {
    const fresh = { own: { left: this.#limits.perSource.burst, at: now }, asked: 0, askedAt: now };
    const visitor = visitors.get(key) ?? fresh;
    visitor.asked *= Math.exp(-Math.max(0, now - visitor.askedAt) / this.#memoryMs);
    visitor.askedAt = Math.max(visitor.askedAt, now);
    // Put back at the end: the one that has been away longest is forgotten first.
    visitors.delete(key);
    if (visitors.size >= this.#limits.maxSources) visitors.delete(visitors.keys().next().value!);
    visitors.set(key, visitor);
    return visitor;
  }
}

const makeCommon = ({ burst }: Rate): Common => ({
  tokens: { left: burst, at: Number.NEGATIVE_INFINITY },
  visitors: new Map(),
});

function refill(tokens: Tokens, { burst, perSecond }: Rate, now: number): number {
  const since = Math.max(0, now - tokens.at);
  tokens.left = Math.min(burst, tokens.left + (since / 1_000) * perSecond);
  tokens.at = Math.max(tokens.at, now);
  return tokens.left;
}
