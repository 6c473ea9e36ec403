// The shell around SWIM: turns sockets and timers into events and effects into datagrams, and decides nothing.
import { setImmediate as nextTurn } from "node:timers/promises";
import { plainAddress } from "../../system/address.ts";
import { FairBucket, type Rate } from "../../system/bucket.ts";
import type { Clock } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import { Courier } from "./courier.ts";
import { type DocumentKind, Documents } from "./documents.ts";
import { type Exchange, makeExchange } from "./exchange.ts";
import { decodeMessage, encodeMessage, type Freight } from "./messages.ts";
import type { State } from "./news.ts";
import { makeProofs, type SignLiveness } from "./proofs.ts";
import { begin, type Event, step } from "./swim.ts";
import { type Answer, openTransport, type Question, type Transport } from "./transport.ts";
import { allNews, type Effect } from "./view.ts";

/** `since` is ms since 1970; `rttMs` is smoothed over the probes of this member. */
export type Liveness = { state: State; since: number; incarnation: number; rttMs?: number };

export type Service = (from: string, body: Uint8Array) => Promise<Answer>;

export type ClusterOptions = {
  self: { id: string; signLiveness: SignLiveness };
  /** The mesh address, the only one to listen on. */
  address: string;
  port: number;
  members(): ReadonlyMap<string, { address: string; deviceKey: string }>;
  /** The kinds of documents that members exchange. */
  documents: readonly DocumentKind[];
  clock: Clock;
  log: Log;
  onChange(liveness: Map<string, Liveness>): void;
  /** A member's datagram that is not about liveness: leases share the port. */
  onOther?(from: string, bytes: Uint8Array): void;
  /** What members may ask besides, by the path of their POST. */
  services?: ReadonlyMap<string, Service>;
  /** How long to wait for `address` to appear; default 10 s. */
  deadlineMs?: number;
  /** The seed of this member's choices; random by default. */
  seed?: number;
};

export type Cluster = {
  /** Every member by id, this one included. */
  liveness(): Map<string, Liveness>;
  /** `members()` has changed: greet newcomers at once, forget those that are gone. */
  membersChanged(): void;
  /** Tells the neighborhood of a document that this member holds. */
  publish(kind: string, id: string): void;
  /** Compares everything with the members that answer, up to a few, at once: what they know and this one does not is on its way then. */
  catchUp(withinMs: number): Promise<void>;
  /** A datagram to a member; lost if it is none, or on the way. */
  send(id: string, text: string): void;
  /** Asks a member by HTTP. Throws for anything but an answer of 200. */
  ask(id: string, question: Question): Promise<Buffer>;
  /** Says goodbye, so that the others know this member as `left`. Stop afterwards. */
  leave(): Promise<void>;
  stop(): Promise<void>;
};

const LONGEST_SLEEP_MS = 60_000;
const AFTER_FAULT_MS = 1_000;
/** More know no more: what one of them has heard, the others have within seconds. */
const MOST_TO_CATCH_UP = 16;
const GOODBYE_MS = 500; // two rounds of gossip
/** A member that sends more is broken: in a neighborhood of a hundred each sends about ten a second. */
const DATAGRAMS = { perSecond: 100, burst: 400 };
const WARNINGS = { perSecond: 1 / 60, burst: 3 };
const REQUESTS = { perSecond: 50, burst: 500 };
/** An honest member asks one other every 30 s, and newcomers once more. */
const SYNCS = { perSecond: 0.2, burst: 5 };

/** Throws `port.taken`, and `cluster.failed` if the address does not appear in time. */
export async function startCluster(o: ClusterOptions): Promise<Cluster> {
  const { clock, log } = o;
  const monotonic = clock.monotonic;
  const documents = new Documents(o.documents);
  const proofs = makeProofs(o.self, (id) => o.members().get(id)?.deviceKey);
  let view = begin(o.self.id, o.seed ?? Math.floor(Math.random() * 2 ** 32), monotonic(), proofs);
  let addresses = new Map<string, string>();
  let ids = new Map<string, string>();
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  const makeRate = (perSource: Rate) => {
    const bucket = new FairBucket({ perSource, maxSources: 4_096 });
    return (id: string) => bucket.admits({ key: id, network: "local" }, monotonic());
  };
  const mayDatagram = makeRate(DATAGRAMS);
  const mayWarn = makeRate(WARNINGS);
  const mayRequest = makeRate(REQUESTS);
  const maySync = makeRate(SYNCS);
  /** Members whose full sync is being taken in. */
  const digesting = new Set<string>();

  const transport: Transport = await openTransport({
    address: o.address,
    port: o.port,
    deadlineMs: o.deadlineMs ?? 10_000,
    log,
    isMember: (address) => ids.has(address),
    onDatagram(address, bytes) {
      const from = ids.get(address);
      if (from === undefined || !mayDatagram(from)) return;
      const message = decodeMessage(bytes);
      if (message) dispatch({ kind: "heard", from, message });
      else o.onOther?.(from, bytes);
    },
    async onRequest(request) {
      const from = ids.get(request.from);
      if (from === undefined) return { status: 403, body: "" };
      const service = request.method === "POST" ? o.services?.get(request.path) : undefined;
      if (service) return mayRequest(from) ? service(from, request.body) : { status: 429, body: "" };
      const may = request.method === "POST" ? maySync(from) && !digesting.has(from) : mayRequest(from);
      return may ? exchange.answer(from, request) : { status: 429, body: "" };
    },
  });
  const exchange: Exchange = makeExchange({
    documents,
    news: () => allNews(view),
    ask: (member, question) => transport.ask(addresses.get(member) ?? "", question),
    onSync: (from, slices) => void digest(from, slices),
  });
  const courier = new Courier({
    documents,
    monotonic,
    log,
    publish: (document) => dispatch({ kind: "publish", document }),
    fetch: exchange.fetch,
  });

  /** Returns whether all that came was signed. */
  function dispatch(event: Event): boolean {
    if (isStopped) return false;
    try {
      const effects = advance(event);
      wakeIn(view.dueAt - monotonic());
      return !effects.some(({ kind }) => kind === "forged");
    } catch (error) {
      // What a member sends must not end the agent, even if it meets a fault of ours; the view stays as it was.
      log.error(`${event.kind}: ${describeError(error)}`);
      wakeIn(event.kind === "tick" ? AFTER_FAULT_MS : view.dueAt - monotonic());
      return false;
    }
  }

  function advance(event: Event): Effect[] {
    const [next, effects] = step(view, event, monotonic(), proofs);
    view = next;
    for (const effect of effects) perform(effect);
    if (effects.some(({ kind }) => kind === "changed" || kind === "forgotten")) o.onChange(liveness());
    return effects;
  }

  /** Takes in a full sync a slice a turn, so that no member keeps the others waiting, and none of it after a forgery. */
  async function digest(from: string, slices: Iterable<Freight>): Promise<void> {
    if (digesting.has(from)) return;
    digesting.add(from);
    for (const freight of slices) {
      if (!dispatch({ kind: "synced", from, freight })) break;
      await nextTurn();
    }
    digesting.delete(from);
  }

  function wakeIn(ms: number): void {
    clearTimeout(timer);
    if (isStopped) return;
    timer = setTimeout(() => dispatch({ kind: "tick" }), Math.min(LONGEST_SLEEP_MS, Math.max(0, ms)));
  }

  function perform(effect: Effect): void {
    switch (effect.kind) {
      case "send": {
        const to = addresses.get(effect.to);
        if (to) transport.send(to, encodeMessage(effect.message));
        break;
      }
      case "sync":
        exchange
          .sync(effect.with)
          .catch((error) => log.debug(`full sync with ${effect.with}: ${describeError(error)}`));
        break;
      case "documents":
        courier.collect(effect.from, effect.documents);
        break;
      case "changed":
        if (view.members.get(effect.id)?.incarnation !== 0) log.info(`${effect.id} is ${effect.state}`);
        break;
      case "forged":
        if (mayWarn(effect.from)) log.warn(`${effect.from} sent news of ${effect.id} with a forged signature`);
        break;
    }
  }

  function membersChanged(): void {
    addresses = new Map([...o.members()].map(([id, { address }]) => [id, plainAddress(address)]));
    addresses.delete(o.self.id);
    ids = new Map([...addresses].map(([id, address]) => [address, id]));
    dispatch({ kind: "members", ids: [...addresses.keys()] });
  }

  function liveness(): Map<string, Liveness> {
    const since = (at: number) => clock.now() - (monotonic() - at);
    const all = new Map<string, Liveness>();
    all.set(o.self.id, { state: view.self.state, since: since(view.self.since), incarnation: view.self.incarnation });
    for (const [id, { state, since: at, incarnation, rttMs }] of view.members) {
      all.set(id, { state, since: since(at), incarnation, ...(rttMs === undefined ? {} : { rttMs }) });
    }
    return all;
  }

  membersChanged();
  return {
    liveness,
    membersChanged,
    publish(kind, id) {
      const document = documents.summaryOf(kind, id);
      if (document) dispatch({ kind: "publish", document });
    },
    async catchUp(withinMs) {
      const alive = [...liveness()].flatMap(([id, { state }]) => (state === "alive" && id !== o.self.id ? [id] : []));
      const syncing = alive.slice(0, MOST_TO_CATCH_UP).map((id) => exchange.sync(id));
      await Promise.race([
        Promise.allSettled(syncing),
        new Promise((resolve) => setTimeout(resolve, withinMs).unref()),
      ]);
    },
    send(id, text) {
      const to = addresses.get(id);
      if (to) transport.send(to, text);
    },
    async ask(id, question) {
      const to = addresses.get(id);
      if (to === undefined) throw new Error(`${id} is no member`);
      return transport.ask(to, question);
    },
    async leave() {
      dispatch({ kind: "leave" });
      await new Promise((resolve) => setTimeout(resolve, GOODBYE_MS));
    },
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await transport.close();
    },
  };
}
