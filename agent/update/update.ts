// The agent's side of updates: it fetches, reports and passes on what people ask. Root's updater decides.
import type { Evidence, UpdateReport, UpdateRequest } from "../../provisioning/handover/update.ts";
import { type Clock, every } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Handler } from "../api/server.ts";
import type { AgentConfig } from "../config.ts";
import type { Warnings } from "../health/warnings.ts";
import { makeDesk } from "./desk.ts";
import { serveUpdater } from "./door.ts";
import { openRepositories } from "./fetch.ts";
import { makeLend } from "./lend.ts";
import { makePacer } from "./pacer.ts";
import { costRefusal, parseWindow } from "./policy.ts";
import { makeWarnOfUpdate, warnOfSilence } from "./warn.ts";

const listenMs = 60_000;

export type UpdateOptions = {
  repositories: readonly string[];
  settings: Omit<AgentConfig["update"], "repositories">;
  evidence(): Promise<Evidence>;
  warnings: Pick<Warnings, "raise" | "clear">;
  clock: Clock;
  /** The device is from a Hamlet image, so an updater runs. */
  hasUpdater: boolean;
  log: Log;
};
export type Update = {
  /** Serves the updater and the whole report; `otherwise` serves everything else. */
  serve(otherwise: Handler): Handler;
  /** Throws `update.noUpdater` or `update.busy`. */
  ask(request: UpdateRequest): Promise<void>;
  report(): UpdateReport | undefined;
  stop(): void;
};

export function startUpdate(options: UpdateOptions): Update {
  const { repositories, settings, evidence, warnings, clock, hasUpdater, log } = options;
  const { rate, window, metered, maxBytes } = settings;
  const desk = makeDesk({ clock, onReport: makeWarnOfUpdate(warnings, clock.now) });
  const pace = rate === undefined ? undefined : makePacer((rate * 1000) / 8, clock);
  const policy = { window: window === undefined ? undefined : parseWindow(window), isMetered: metered, maxBytes };
  const lend = makeLend({
    repositories: openRepositories({ urls: repositories, clock, random: Math.random, pace }),
    checkCost() {
      const time = new Date(clock.now());
      const minute = time.getHours() * 60 + time.getMinutes();
      const refusal = costRefusal(policy, { activity: desk.report()?.activity, isAsked: desk.isAsked(), minute });
      if (refusal) throw refusal;
    },
    ...(pace && { lanes: 1 }),
  });
  const listening = every(
    listenMs,
    () => hasUpdater && warnOfSilence(warnings, desk.silentForMs()),
    (error) => log.warn(describeError(error)),
  );
  return {
    serve: (otherwise) => serveUpdater({ desk, lend, evidence }, otherwise),
    ask: (request) => desk.ask(request),
    report: () => desk.report(),
    stop: () => listening.stop(),
  };
}
