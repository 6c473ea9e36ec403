// The agent's side of updates: it fetches, reports and passes on what people ask. Root's updater decides.

import { join } from "node:path";
import { z } from "zod";
import {
  type Evidence,
  type EvidenceRequest,
  isAtRest,
  type UpdateReport,
  type UpdateRequest,
} from "../../provisioning/handover/update.ts";
import { type Clock, every } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import { readJson, writeJson } from "../../system/files.ts";
import type { Log } from "../../system/log.ts";
import { makePacer } from "../../system/pacer.ts";
import { makeQueue } from "../../system/queue.ts";
import type { Handler } from "../api/server.ts";
import type { AgentConfig } from "../config.ts";
import type { Warnings } from "../health/warnings.ts";
import { minuteOfDay } from "../rollout/zone.ts";
import type { Lending } from "../swarm/lending.ts";
import type { Swarm } from "../swarm/swarm.ts";
import { makeDesk } from "./desk.ts";
import { serveUpdater } from "./door.ts";
import { openRepositories } from "./fetch.ts";
import { makeLend } from "./lend.ts";
import { makePacks } from "./packs.ts";
import { costRefusal, mayServeOthers, parseWindow } from "./policy.ts";
import { startSwarm } from "./swarm.ts";
import { makeWarnOfUpdate, warnOfSilence } from "./warn.ts";
import { makeWeb } from "./web.ts";

const listenMs = 60_000;
const tidyMs = 6 * 3600_000;

/** What another repository may have better. */
const refusesMetadata = (code: string): boolean =>
  ["update.expired", "update.badMetadata", "update.badManifest"].includes(code);

export type UpdateOptions = {
  repositories: readonly string[];
  settings: Omit<AgentConfig["update"], "repositories" | "lendPort" | "auto">;
  evidence(request: EvidenceRequest): Promise<Evidence>;
  warnings: Pick<Warnings, "raise" | "clear">;
  clock: Clock;
  /** The device is from a Hamlet image, so an updater runs. */
  hasUpdater: boolean;
  log: Log;
  stateFolder: string;
  board: string;
  /** The root partitions of the slots; none without an image. */
  slots: readonly string[];
};
export type Update = {
  /** Serves the updater and the whole report; `otherwise` serves everything else. */
  serve(otherwise: Handler): Handler;
  /** Throws `update.noUpdater` or `update.busy`. */
  ask(request: UpdateRequest): Promise<void>;
  report(): UpdateReport | undefined;
  /** Through which members lend each other what they fetched. */
  swarm: Pick<Swarm, "join" | "leave"> & { lending: Lending };
  stop(): Promise<void>;
};

/** The updater goes on with an update that a restart cut off, and it was asked for all the same. */
const Asked = z.object({ isAsked: z.boolean() });

export async function startUpdate(options: UpdateOptions): Promise<Update> {
  const { settings, evidence, warnings, clock, hasUpdater, log } = options;
  const { rate, window, metered, maxBytes, verdictSeconds } = settings;
  const askedPath = join(options.stateFolder, "update.json");
  const complain = (error: unknown) => log.warn(describeError(error));
  const saving = makeQueue();
  const pace = rate === undefined ? undefined : makePacer((rate * 1000) / 8, clock);
  const repositories = openRepositories({ urls: options.repositories, clock, random: Math.random, pace });
  const packs = makePacks({ repositories, path: join(options.stateFolder, "pack") });
  const warn = makeWarnOfUpdate(warnings, clock.now);
  let wasRefused = false;
  const desk = makeDesk({
    clock,
    onReport(report) {
      warn(report);
      const { activity } = report;
      const isRefused = activity.phase === "waiting" && refusesMetadata(activity.because.code);
      // It says so again with each long poll.
      if (isRefused && !wasRefused) repositories.doubt();
      wasRefused = isRefused;
      if (isAtRest(activity) && !isFetchingForOthers()) packs.forget().catch(complain);
    },
    wasAsked: (await readJson(askedPath, Asked).catch(complain))?.isAsked ?? false,
    onAsked: (isAsked) => void saving(() => writeJson(askedPath, { isAsked })).catch(complain),
  });
  const policy = { window: window === undefined ? undefined : parseWindow(window), isMetered: metered, maxBytes };
  const minuteNow = () => Math.floor(minuteOfDay(clock.now()));
  const { swarm, lending, isFetchingForOthers, tidy, saw } = await startSwarm({
    ...{ web: makeWeb({ repositories, packs }), stateFolder: options.stateFolder, clock, warnings, log },
    slots: { paths: options.slots, board: options.board },
    release() {
      const activity = desk.report()?.activity;
      return activity?.phase === "writing" ? activity.version : "";
    },
    mayFetchForOthers: () => options.repositories.length > 0 && mayServeOthers(policy, minuteNow()),
  });
  const lend = makeLend({
    ...{ swarm, onFile: saw },
    checkCost(from) {
      const moment = { activity: desk.report()?.activity, isAsked: desk.isAsked(), minute: minuteNow() };
      const refusal = costRefusal(policy, moment, from);
      if (refusal) throw refusal;
    },
    ...(pace && { lanes: 1 }),
  });
  const tidying = every(tidyMs, tidy, complain, 0.1);
  const listening = every(listenMs, () => hasUpdater && warnOfSilence(warnings, desk.silentForMs()), complain);
  return {
    serve: (otherwise) =>
      serveUpdater(
        { desk, lend, evidence: async (request) => ({ ...(await evidence(request)), verdictSeconds }) },
        otherwise,
      ),
    ask: (request) => desk.ask(request),
    report: () => desk.report(),
    swarm: { join: swarm.join, leave: swarm.leave, lending },
    async stop() {
      tidying.stop();
      listening.stop();
      await saving(() => {});
    },
  };
}
