// What every part of a member's life is started with, and where it leaves its stop. Pure: types.
import type { UpdateReport, UpdateRequest } from "../../provisioning/handover/update.ts";
import type { Clock } from "../../system/clock.ts";
import type { Answer } from "../api/answers.ts";
import type { AgentConfig } from "../config.ts";
import type { ServePage } from "../discovery/door.ts";
import type { Warnings } from "../health/warnings.ts";
import type { Identity } from "../identity.ts";
import type { Update } from "../update/update.ts";

export type MemberOptions = {
  config: AgentConfig;
  identity: Identity;
  clock: Clock;
  warnings: Warnings;
  page: ServePage;
  /** Answers a question that the owner has signed. */
  answer: Answer;
  /** Undefined while no updater is heard. */
  updateReport(): UpdateReport | undefined;
  /** Throws `update.noUpdater` or `update.busy`. */
  askUpdater(request: UpdateRequest): Promise<void>;
  /** This machine was started from a Hamlet image. */
  hasUpdater: boolean;
  /** This device's time zone; undefined if nobody has told it. */
  zone: string | undefined;
  swarm: Update["swarm"];
};
/** `ended`: how each part stops, in the order in which they started. */
export type Scope = MemberOptions & { ended: (() => unknown)[] };
