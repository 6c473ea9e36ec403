// The agent's side of updates: it fetches, reports and passes on what people ask. Root's updater decides.
import type { Evidence, UpdateReport, UpdateRequest } from "../../provisioning/handover/update.ts";
import type { Clock } from "../../system/clock.ts";
import type { Handler } from "../api/server.ts";
import type { Warnings } from "../health/warnings.ts";
import { makeDesk } from "./desk.ts";
import { serveUpdater } from "./door.ts";
import { openRepositories } from "./fetch.ts";
import { makeLend } from "./lend.ts";
import { makeWarnOfUpdate } from "./warn.ts";

export type UpdateOptions = {
  repositories: readonly string[];
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

export function makeUpdate({ repositories, evidence, warnings, clock }: UpdateOptions): Update {
  const desk = makeDesk({ clock, onReport: makeWarnOfUpdate(warnings, clock.now) });
  const lend = makeLend(openRepositories({ urls: repositories, clock, random: Math.random }));
  return {
    serve: (otherwise) => serveUpdater({ desk, lend, evidence }, otherwise),
    ask: (request) => desk.ask(request),
    report: () => desk.report(),
  };
}
