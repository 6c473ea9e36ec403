// Who may restart: leases that a majority of the voters grants, and the shell around the core that decides.
// It turns datagrams and timers into events, writes what was promised before any answer goes out, and decides nothing.
import { randomBytes } from "node:crypto";
import { FairBucket } from "../../../system/bucket.ts";
import type { Clock } from "../../../system/clock.ts";
import { describeError } from "../../../system/error.ts";
import type { Log } from "../../../system/log.ts";
import { makeQueue } from "../../../system/queue.ts";
import type { State as Liveness } from "../news.ts";
import { holderIn } from "./holders.ts";
import { decodeLeaseMessage, encodeLeaseMessage, type LeaseMessage } from "./messages.ts";
import { type Denial, type Effect, type Event, keptOf } from "./state.ts";
import { begin, step } from "./step.ts";
import type { LeaseStore } from "./store.ts";

export type Granted = {
  kind: "granted";
  /** By the clock's `monotonic`; moves on while the lease is renewed. Nothing may begin under the lease after it. */
  readonly untilMonotonicMs: number;
  /** Members that voters know to be away, for less than a day. */
  away: readonly string[];
  /** Which of those that may be held at once, from 0. */
  slot: number;
  release(): Promise<void>;
};
export type Denied = {
  kind: "denied";
  /** Another has it; too few voters answer; or voters do not know yet what they have granted before. */
  by: Denial["by"];
  holder?: string;
  /** The member on whom voters that have restarted wait: it may know what they have forgotten. */
  awaits?: string;
  /** ms since 1970. */
  untilMs?: number;
};
export type Leases = {
  /**
   * Asks once; ask again later if it is denied. A device that restarted under a lease asks again and goes on with it. `onLost`: the lease
   * has ended although it was not released. `most`: how many members may hold one at once.
   */
  ask(purpose: "restart", onLost: () => void, most?: number): Promise<Granted | Denied>;
  /** Gives back whatever this device holds, also from before a restart, and also what was granted to it without its knowledge. */
  giveBack(): Promise<void>;
  /** The member that holds one, as far as this one has heard, and since when in ms since 1970. */
  holder(): { device: string; sinceMs: number } | undefined;
  voters(): readonly string[];
};
export type LeasesOptions = {
  self: string;
  store: Pick<LeaseStore, "load" | "save">;
  clock: Clock;
  /** Counts on while the device sleeps: others do not sleep meanwhile. */
  sinceBootMs(): number;
  log: Log;
  send(to: string, text: string): void;
  members(): Iterable<string>;
  /** The voters have changed. */
  onListed?(): void;
  onDamage?(damage: NonNullable<Awaited<ReturnType<LeaseStore["load"]>>["damage"]>): void;
};
export type LeaseOffice = Leases & {
  /** A datagram that a member sent. */
  hear(from: string, bytes: Uint8Array): void;
  membersChanged(): void;
  livenessChanged(states: ReadonlyMap<string, Liveness>): void;
  /** All devices that are gone for good, by the root's or an operator's word. */
  ended(ids: readonly string[]): void;
  stop(): Promise<void>;
};

const mostWaiting = 32; // of one member
const longestSleepMs = 60_000;
/** What one member may make this one write: 5 MB a day are allowed in all. */
const saves = { perSecond: 1 / 120, burst: 40 };
/** The end of a lease is paid for with its grant: if it were refused, nobody else could have the lease until it ends by itself. */
const savesOf = (type: LeaseMessage["type"]): number => (type === "ask" ? 2 : type === "free" ? 0 : 1);

type Asking = { settle(outcome: Granted | Denied): void; onLost(): void };

export async function startLeases(o: LeasesOptions): Promise<LeaseOffice> {
  const { log, clock, sinceBootMs: now } = o;
  const { kept, damage } = await o.store.load();
  if (damage) o.onDamage?.(damage);
  let view = begin(o.self, kept, randomBytes(4).readUInt32LE(), now());
  let isOwing = false;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  const inTurn = makeQueue();
  const waiting = new Map<string, number>();
  const askings = new Map<string, Asking>();
  const mayMakeSave = new FairBucket({ perSource: saves, maxSources: 4_096 });

  async function happen(event: Event): Promise<void> {
    if (isStopped) return;
    const [next, effects] = step(view, event, now());
    const save = effects.find((effect) => effect.kind === "save");
    if (save && event.kind === "heard" && !mayCost(event.from, savesOf(event.message.type))) return;
    view = next;
    const isWritten = save || isOwing ? await write() : true;
    for (const effect of effects) perform(effect, isWritten);
    wake();
  }

  function mayCost(from: string, count: number): boolean {
    const source = { key: from, network: "local" } as const;
    return Array.from({ length: count }).every(() => mayMakeSave.admits(source, now()));
  }

  /** Whether what this voter has promised is on disk: else it says nothing. */
  async function write(): Promise<boolean> {
    try {
      await o.store.save(keptOf(view));
      isOwing = false;
    } catch (error) {
      if (!isOwing) log.warn(`no vote until it can be saved: ${describeError(error)}`);
      isOwing = true;
    }
    return !isOwing;
  }

  const run = (event: Event): Promise<void> =>
    inTurn(() => happen(event)).catch((error) => log.error(`${event.kind}: ${describeError(error)}`));

  function wake(): void {
    clearTimeout(timer);
    if (isStopped) return;
    const sleepMs = Math.min(longestSleepMs, Math.max(0, view.dueAt - now()));
    timer = setTimeout(() => void run({ kind: "tick" }), sleepMs);
  }

  function perform(effect: Effect, isWritten: boolean): void {
    switch (effect.kind) {
      case "save":
        break;
      case "send":
        if (isWritten) o.send(effect.to, encodeLeaseMessage(effect.message));
        break;
      case "granted":
        if (isWritten) settle(effect.claim, granted(effect));
        else {
          settle(effect.claim, { kind: "denied", by: "noMajority" });
          void run({ kind: "release", claim: effect.claim });
        }
        break;
      case "denied": {
        const { by, holder, awaits, untilMs } = effect;
        const until = untilMs === undefined ? {} : { untilMs: clock.now() + untilMs - now() };
        const whom = { ...(holder !== undefined && { holder }), ...(awaits !== undefined && { awaits }) };
        settle(effect.claim, { kind: "denied", by, ...whom, ...until });
        break;
      }
      case "lost": {
        log.warn("the lease has ended");
        const asking = askings.get(effect.claim);
        askings.delete(effect.claim);
        asking?.onLost();
        break;
      }
      case "listed":
        log.info(`voters ${effect.list.number}: ${effect.list.voters.join(", ")}`);
        o.onListed?.();
        break;
    }
  }

  function settle(claim: string, outcome: Granted | Denied): void {
    askings.get(claim)?.settle(outcome);
    if (outcome.kind === "denied") askings.delete(claim);
  }

  function granted({ claim, slot, away }: Effect & { kind: "granted" }): Granted {
    return {
      kind: "granted",
      get untilMonotonicMs() {
        const untilMs = view.claim?.id === claim ? (view.claim.untilMs ?? 0) : 0;
        return clock.monotonic() + untilMs - now();
      },
      away,
      slot,
      release() {
        askings.delete(claim);
        return run({ kind: "release", claim });
      },
    };
  }

  const membersChanged = () => void run({ kind: "members", ids: [...o.members()] });
  membersChanged();
  return {
    ask(_purpose, onLost, most = 1) {
      const claim = randomBytes(8).toString("base64url");
      return new Promise((settled) => {
        askings.set(claim, { settle: settled, onLost });
        void run({ kind: "ask", claim, most });
      });
    },
    async giveBack() {
      const over = [...askings.keys()];
      await run({ kind: "giveBack" });
      for (const claim of over) askings.delete(claim);
    },
    holder() {
      const held = holderIn(view, now());
      return held && { device: held.id, sinceMs: clock.now() + held.sinceMs - now() };
    },
    voters: () => view.list.voters,
    hear(from, bytes) {
      const count = waiting.get(from) ?? 0;
      if (isStopped || count >= mostWaiting) return;
      const message = decodeLeaseMessage(bytes);
      if (!message) return;
      waiting.set(from, count + 1);
      void run({ kind: "heard", from, message }).finally(() => {
        const left = (waiting.get(from) ?? 1) - 1;
        if (left > 0) waiting.set(from, left);
        else waiting.delete(from);
      });
    },
    membersChanged,
    livenessChanged: (states) => void run({ kind: "liveness", states }),
    ended: (ids) => void run({ kind: "ended", ids }),
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      for (const { settle: end } of askings.values()) end({ kind: "denied", by: "noMajority" });
      await inTurn(() => {});
    },
  };
}
