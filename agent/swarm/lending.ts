// What this device does for other members: it lends what it keeps and what its slots hold, and, as the downloader, fetches on their behalf. Bounded and fair:
// four at a time, each member in turn, and for each no more bytes from the web than the largest releases take.
import { makeBuckets } from "../../system/bucket.ts";
import type { Clock } from "../../system/clock.ts";
import { free } from "../../system/free.ts";
import type { Reply } from "./counter.ts";
import { isNamed, isNextRoot, keyOf, type Question, type Wanted } from "./question.ts";
import { isCode, type Store, verify } from "./store.ts";
import { makeTurns } from "./turns.ts";

export type LendingOptions = {
  store: Store;
  clock: Clock;
  /** Whether the owner's settings leave this device's line to others, and it knows a repository. */
  mayFetch(): boolean;
  /** Something is fetched for another member. */
  onFetch?(): void;
};
/** Answers a member's question. Throws for what the connection does not survive. */
export type Lending = (from: string, question: Question, reply: Reply, signal: AbortSignal) => Promise<void>;

const queue = { atOnce: 4, maxWaiting: 256, maxWaitingEach: 8 };
/** A member that does not read keeps a place for half a minute, and others give up waiting after 10 s. */
const sendingEach = 2;
/**
 * A whole system has 70 MB, a large update 13. All of it is written to this device's card as well. A member that wants more has its own
 * line.
 */
const webBytes = { burst: 128 << 20, perSecond: (16 << 20) / (24 * 3600) };
/** A request that brings nothing costs something too. */
const leastCost = 1_000;
const maxSources = 4_096;
/** The largest recipe on a line of 200 kbit/s. */
const longestMs = 240_000;
/** Several members look for news one after the other. */
const freshMs = 60_000;

export function makeLending({ store, clock, mayFetch, onFetch }: LendingOptions): Lending {
  const { shelf, downloads } = store;
  const sending = makeTurns({ ...queue, atOnceEach: sendingEach });
  const fetching = makeTurns(queue);
  const budgetOf = makeBuckets(webBytes, maxSources);
  /** When a file that may change was fetched. */
  const fetchedAt = new Map<string, number>();

  async function sendKept(from: string, key: string, reply: Reply): Promise<void> {
    const sent = sending.take(from, async () => {
      const bytes = await shelf.get(key);
      if (bytes) await reply.bytes(bytes, shelf.isProven(key));
      else reply.none("notKept");
    });
    await (sent ?? reply.none("busy"));
  }

  /** Returns whether it has answered. */
  async function sendFromSlot(from: string, wanted: Wanted, reply: Reply): Promise<boolean> {
    const { slots } = store;
    if (wanted.kind !== "object" || !slots) return false;
    const sent = sending.take(from, async () => {
      const bytes = await slots.chunk(wanted, from);
      // It was read, hashed and compressed for them, however few bytes that makes.
      if (bytes) await reply.bytes(bytes, true, wanted.sizeBytes).finally(() => free(bytes));
      return bytes !== undefined;
    });
    if (!sent) reply.none("busy");
    return sent ?? true;
  }

  /** Goes on if who asked hangs up: on a slow line the next member would begin anew. */
  function fetchFor(from: string, wanted: Wanted): Promise<Buffer> {
    const budget = budgetOf(from);
    const key = keyOf(wanted);
    const fetched = fetching.take(from, async () => {
      let carriedBytes = 0;
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(new Error(`not within ${longestMs / 1000} s`)), longestMs);
      const onCarried = (bytes: number) => {
        carriedBytes += bytes;
      };
      try {
        return await store.fetch(wanted, { signal: late.signal, onCarried, isForAnother: true }, async (bytes) => {
          await verify(wanted, bytes);
          await shelf.put(key, bytes);
          if (!isNamed(wanted)) fetchedAt.set(key, clock.monotonic());
          return bytes;
        });
      } finally {
        clearTimeout(timer);
        budget.take(Math.max(leastCost, carriedBytes));
      }
    });
    return fetched ?? Promise.reject(new Busy());
  }

  return async (from, { how, wanted }, reply, signal) => {
    const key = keyOf(wanted);
    const isFresh = isNamed(wanted) || clock.monotonic() - (fetchedAt.get(key) ?? Number.NEGATIVE_INFINITY) < freshMs;
    const isKept = shelf.has(key);
    if (isKept && (how === "kept" || isFresh)) return sendKept(from, key, reply);
    if (await sendFromSlot(from, wanted, reply)) return;
    if (how === "kept") return reply.none("notKept");
    const isAllowed = mayFetch() && budgetOf(from).level(clock.monotonic()) > 0 && store.mayFetch();
    if (!isAllowed) return isKept ? sendKept(from, key, reply) : reply.none("noWay");
    onFetch?.();
    try {
      await downloads.use(
        key,
        () => fetchFor(from, wanted),
        async (bytes) => {
          await (sending.take(from, () => reply.bytes(bytes, shelf.isProven(key))) ?? reply.none("busy"));
        },
      );
    } catch (error) {
      if (signal.aborted) return;
      if (isCode(error, "update.notThere")) return reply.none("notThere");
      if (error instanceof Busy) return reply.none("busy");
      // What it has is better than nothing, except for the next root: there may be one.
      if (isKept && !isNextRoot(wanted)) return sendKept(from, key, reply);
      reply.none("noWay");
    }
  };
}

class Busy extends Error {}
