// The agent's side of updates: it fetches, reports and passes on what people ask. Root's updater decides.
import type { Evidence, UpdateReport, UpdateRequest } from "../../provisioning/handover/update.ts";
import type { Clock } from "../../system/clock.ts";
import type { Handler } from "../api/server.ts";
import type { AgentConfig } from "../config.ts";
import type { Warnings } from "../health/warnings.ts";
import { makeDesk } from "./desk.ts";
import { serveUpdater } from "./door.ts";
import { openRepositories } from "./fetch.ts";
import { makeLend } from "./lend.ts";
import { makePacer } from "./pacer.ts";
import { costRefusal, parseWindow } from "./policy.ts";
import { makeWarnOfUpdate } from "./warn.ts";

export type UpdateOptions = {
  repositories: readonly string[];
  settings: Omit<AgentConfig["update"], "repositories">;
  evidence(): Promise<Evidence>;
  warnings: Pick<Warnings, "raise" | "clear">;
  clock: Clock;
};
export type Update = {
  /** Serves the updater and the whole report; `otherwise` serves everything else. */
  serve(otherwise: Handler): Handler;
  /** Throws `update.noUpdater` or `update.busy`. */
  ask(request: UpdateRequest): Promise<void>;
  report(): UpdateReport | undefined;
};

export function makeUpdate({ repositories, settings, evidence, warnings, clock }: UpdateOptions): Update {
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
  return {
    serve: (otherwise) => serveUpdater({ desk, lend, evidence }, otherwise),
    ask: (request) => desk.ask(request),
    report: () => desk.report(),
  };
}
