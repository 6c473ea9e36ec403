// Brings the pieces of a release: what is kept here, then what other members keep, then by the neighborhood's downloader, and from this
// device's own line only if it is the downloader itself, or nobody brings anything. Bytes from members cost time if they are wrong, slow
// or missing, and nothing else.
import { hash } from "node:crypto";
import type { Clock } from "../../system/clock.ts";
import { HamletError } from "../../system/error.ts";
import { type Got, type Lender, makeAsking, type Neighborhood, type Open, type Suspect } from "./asking.ts";
import type { Patience } from "./borrower.ts";
import { Lenders, ranked } from "./lenders.ts";
import { isNamed, isNextRoot, keyOf, type Wanted } from "./question.ts";
import { type How, isCode, type Store } from "./store.ts";

export type SwarmOptions = {
  store: Store;
  clock: Clock;
  random(): number;
  /** The release that this device fetches; empty while it looks for one. */
  release(): string;
  /** A member has sent what is not what it was asked for. */
  onLie(lender: { id: string; name: string }, release: string): void;
  /** It no longer counts: another release is fetched. */
  onForgiven(id: string): void;
  patience?: { kept: Patience; fetched: Patience };
};
export type Need = How & {
  /** Throws if the owner's settings forbid it now to fetch this from the web. */
  checkCost(): void;
};
const maxKeepers = 3;
/** A home has no more members that update at once. */
const mostRescuers = 16;
const membersMs = 150_000;

/** This device's own line brings nothing now. */
const isRefusal = (error: unknown) => isCode(error, "update.unreachable", "update.metered", "update.tooDear");

export type Swarm = ReturnType<typeof makeSwarm>;

export function makeSwarm(o: SwarmOptions) {
  const { store, clock } = o;
  const { shelf, downloads } = store;
  const lenders = new Lenders();
  let neighborhood: Neighborhood | undefined;
  /** Which member is asked first for metadata: another one at each check, as any of them may hold something back. */
  let checks = 0;
  let wasRoot = false;

  const now = clock.monotonic;
  const others = (): Lender[] => neighborhood?.others() ?? [];

  async function keep(key: string, bytes: Buffer): Promise<void> {
    // A device alone writes nothing that nobody will ask for.
    if (others().length === 0) return;
    await shelf.put(key, bytes);
    shelf.prove(key);
  }

  const { askOne, fromMember, blame } = makeAsking({
    ...{ lenders, clock, keep, neighborhood: () => neighborhood },
    onLie: (lender) => o.onLie(lender, o.release()),
    ...(o.patience && { patience: o.patience }),
  });

  async function fromShelf<T>(key: string, open: Open<T>): Promise<Got<T>> {
    const bytes = await shelf.get(key);
    if (!bytes) return undefined;
    try {
      const value = await open(bytes);
      shelf.prove(key);
      return { value };
    } catch (error) {
      if (!isCode(error, "update.badObject")) throw error;
      await shelf.remove(key);
      return undefined;
    }
  }

  async function fromWeb<T>(wanted: Wanted, need: Need, open: Open<T>): Promise<T> {
    const key = keyOf(wanted);
    // It may have come for another member while this device asked around.
    const kept = isNamed(wanted) && shelf.has(key) ? await fromShelf(key, open) : undefined;
    if (kept) return kept.value;
    need.checkCost();
    let opened: Got<T>;
    const fetch = () =>
      store.fetch(wanted, need, async (bytes) => {
        opened = { value: await open(bytes) };
        await keep(key, bytes);
        return bytes;
      });
    return downloads.use(key, fetch, async (bytes) => (opened ? opened.value : open(bytes)));
  }

  async function named<T>(wanted: Wanted, need: Need, open: Open<T>): Promise<T> {
    const kept = await fromShelf(keyOf(wanted), open);
    if (kept) return kept.value;
    const suspects: Suspect[] = [];
    const lacking: string[] = [];
    let refusal: unknown;
    const untilMs = now() + membersMs;
    const what = { isFrame: wanted.kind === "packed" };
    const how = { signal: need.signal, open, suspects, lacking };
    const order = ranked([neighborhood?.self ?? "", ...others().map(({ id }) => id)], o.release());
    const downloader = order.find((id) => id === neighborhood?.self || lenders.mayFetch(id, now(), what));
    const byId = new Map(others().map((one) => [one.id, one]));

    const spread = [...byId.keys()].filter((id) => id !== downloader).toSorted(() => o.random() - 0.5);
    const fromKeepers = async (most: number): Promise<Got<T>> => {
      for (const id of lenders.keepers(spread, now(), what).slice(0, most)) {
        const got = now() > untilMs ? undefined : await fromMember(byId.get(id)!, "kept", wanted, how);
        if (got) return got;
      }
      return undefined;
    };
    const atHand = await fromKeepers(maxKeepers);
    if (atHand) return atHand.value;
    /** It is somewhere: whoever's repository lacks it is likely to lack the rest of the release too. */
    const found = () => lenders.lack(lacking, now());
    const own = async (bytes: Buffer) => {
      const digest = hash("sha256", bytes, "hex");
      const value = await open(bytes);
      blame(suspects, digest);
      found();
      return value;
    };
    /** From whoever had it of a downloader that has just failed. */
    const rescued = async (id: string) => (lenders.mayAsk(id, now()) ? undefined : fromKeepers(mostRescuers));
    for (const id of order) {
      if (id === neighborhood?.self && store.mayFetch()) {
        try {
          return await fromWeb(wanted, need, own);
        } catch (error) {
          need.signal.throwIfAborted();
          // Another member may know a repository that is further.
          if (!isRefusal(error) && !isCode(error, "update.notThere")) throw error;
          refusal = error;
        }
      }
      const lender = byId.get(id);
      if (!lender || !lenders.mayFetch(id, now(), what) || now() > untilMs) continue;
      const got = (await fromMember(lender, "fetched", wanted, how)) ?? (await rescued(id));
      if (!got) continue;
      found();
      return got.value;
    }
    try {
      if (refusal) throw refusal;
      return await fromWeb(wanted, need, own);
    } catch (error) {
      if (suspects.length === 0 || !isRefusal(error)) throw error;
      // The pack at the members' repository is damaged, or this device's slot: they may still have the chunks.
      throw new HamletError("update.badObject", "members lend a frame that does not fit the running slot");
    }
  }

  /** Those that lied, or that said nothing lately, come last. */
  function newsmen(): Lender[] {
    const all = others();
    const inTurn = all.map((_, index) => all[(checks + index) % all.length]!);
    const mayAsk = ({ id }: Lender) => lenders.mayAsk(id, now());
    return [...inTurn.filter(mayAsk), ...inTurn.filter((lender) => !mayAsk(lender))];
  }

  /** Metadata: each member looks itself, so that no other can hide a release from it; who cannot asks the others. */
  async function news<T>(wanted: Wanted, need: Need, open: Open<T>): Promise<T> {
    const isRoot = isNextRoot(wanted);
    if (isRoot && !wasRoot) checks += 1;
    wasRoot = isRoot;
    let refusal: unknown;
    if (store.mayFetch()) {
      try {
        return await fromWeb(wanted, need, open);
      } catch (error) {
        need.signal.throwIfAborted();
        if (!isCode(error, "update.unreachable")) throw error;
        refusal = error;
      }
    }
    let isMissing = false;
    for (const lender of newsmen().slice(0, maxKeepers)) {
      const answer = await askOne(lender, "fetched", wanted, need.signal);
      if (answer?.kind === "bytes") {
        const value = await open(answer.bytes);
        await keep(keyOf(wanted), answer.bytes);
        return value;
      }
      isMissing ||= answer?.kind === "notThere" || (isRoot && answer?.kind === "noWay");
    }
    if (isMissing) throw new HamletError("update.notThere", "no member knows of such a file");
    if (refusal) throw refusal;
    return fromWeb(wanted, need, open);
  }

  return {
    /** Throws what the repositories throw, what `open` and `checkCost` throw, and the signal's reason. */
    async obtain<T>(wanted: Wanted, need: Need, open: Open<T>): Promise<T> {
      if (!neighborhood) return fromWeb(wanted, need, open);
      for (const id of lenders.begin(o.release())) o.onForgiven(id);
      return isNamed(wanted) ? named(wanted, need, open) : news(wanted, need, open);
    },
    join(joined: Neighborhood): void {
      neighborhood = joined;
    },
    leave(): void {
      neighborhood = undefined;
    },
  };
}
