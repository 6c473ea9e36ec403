// Where people leave requests for the updater and the updater leaves its report.
// It waits here for what people ask, and takes one request at a time.
import { isAtRest, type UpdateReport, type UpdateRequest } from "../../provisioning/handover/update.ts";
import type { Clock } from "../../system/clock.ts";
import { HamletError } from "../../system/error.ts";
import { handOverWithinMs } from "../api/schema.ts";

/** A request on its way: `taken` once the updater has it; `returned` if the connection broke first. */
export type Handed = { request: UpdateRequest; taken(): void; returned(): void };
export type Desk = {
  /** The updater has said something. */
  heard(report?: UpdateReport): void;
  /** The next request; undefined when the signal aborts, or when the updater waits a second time. */
  next(signal: AbortSignal): Promise<Handed | undefined>;
  /** Resolves when the updater has reported after it took the request. Throws `update.noUpdater` or `update.busy`. */
  ask(request: UpdateRequest): Promise<void>;
  /** Undefined if the updater has been silent. */
  report(): UpdateReport | undefined;
  /** Since the updater was heard, or since this desk opened. */
  silentForMs(): number;
  /** Whether somebody has asked for the update that is under way. */
  isAsked(): boolean;
};
export type DeskOptions = {
  clock: Clock;
  onReport(report: UpdateReport): void;
  /** Whether somebody had asked for the update that was under way when the agent ended. */
  wasAsked?: boolean;
  onAsked?(isAsked: boolean): void;
  takenWithinMs?: number;
  silentMs?: number;
};

/** An updater waits again after `waitMs`, or reports meanwhile. */
const usualSilenceMs = 60_000;
/** Nobody has more to ask. */
const maxQueued = 8;

/** `handed`: on its way to the updater. */
type Asked = { request: UpdateRequest; state: "queued" | "handed" | "taken"; done(error?: HamletError): void };

export function makeDesk(options: DeskOptions): Desk {
  const { clock, onReport, takenWithinMs = handOverWithinMs, silentMs = usualSilenceMs } = options;
  const openedAt = clock.monotonic();
  let heardAt = Number.NEGATIVE_INFINITY;
  let latest: UpdateReport | undefined;
  let waiting: ((handed: Handed | undefined) => void) | undefined;
  let queue: Asked[] = [];
  let isAsked = options.wasAsked ?? false;
  const become = (is: boolean) => {
    if (is !== isAsked) options.onAsked?.(is);
    isAsked = is;
  };
  const isSilent = () => clock.monotonic() - heardAt > silentMs;

  const handOver = () => {
    const asked = waiting && queue.find(({ state }) => state === "queued");
    if (!waiting || !asked) return;
    asked.state = "handed";
    const give = waiting;
    waiting = undefined;
    give({
      request: asked.request,
      taken() {
        asked.state = "taken";
        if (asked.request.kind === "now" || asked.request.kind === "retry") become(true);
      },
      returned() {
        asked.state = "queued";
        handOver();
      },
    });
  };

  return {
    heard(report) {
      heardAt = clock.monotonic();
      if (!report) return;
      latest = report;
      if (isAtRest(report.activity) || isRefusal(report.activity)) become(false);
      onReport(report);
      for (const asked of queue.filter(({ state }) => state === "taken")) asked.done();
    },
    next(signal) {
      waiting?.(undefined);
      return new Promise((resolve) => {
        const give = (handed: Handed | undefined) => {
          signal.removeEventListener("abort", leave);
          resolve(handed);
        };
        const leave = () => {
          if (waiting === give) waiting = undefined;
          give(undefined);
        };
        if (signal.aborted) return resolve(undefined);
        signal.addEventListener("abort", leave, { once: true });
        waiting = give;
        handOver();
      });
    },
    async ask(request) {
      if (isSilent()) throw noUpdater();
      if (queue.length >= maxQueued) throw busy("too many requests are waiting for the updater");
      await new Promise<void>((resolve, reject) => {
        const asked: Asked = {
          request,
          state: "queued",
          done(error) {
            clearTimeout(timer);
            queue = queue.filter((one) => one !== asked);
            if (error) reject(error);
            else resolve();
          },
        };
        const timer = setTimeout(
          // Once taken it is carried out, even if the updater has no time to say so.
          () =>
            asked.done(asked.state === "taken" ? undefined : busy("the updater is at work and takes no request now")),
          takenWithinMs,
        );
        queue.push(asked);
        handOver();
      });
    },
    report: () => (isSilent() ? undefined : latest),
    silentForMs: () => clock.monotonic() - Math.max(openedAt, heardAt),
    isAsked: () => isAsked,
  };
}

/** Nothing is tried again by itself: what comes next somebody else has asked for. */
const isRefusal = (activity: UpdateReport["activity"]): boolean =>
  activity.phase === "waiting" && activity.againAtMs === undefined;

export const noUpdater = (): HamletError =>
  new HamletError("update.noUpdater", "no updater has asked this agent for work for a minute", {
    hint: "on the device: systemctl status hamlet-updater; only devices from a Hamlet image have one",
  });
const busy = (why: string): HamletError =>
  new HamletError("update.busy", why, { hint: "see what it does: hamlet update status" });
