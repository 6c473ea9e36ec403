// What requests change in what the updater does.
// Pure.
import type { UpdateRequest, UpdateTrouble } from "../../provisioning/handover/update.ts";
import type { Effect, Life, Next, Wish, Wished } from "./life.ts";

export function asked(life: Life, request: UpdateRequest): [Life, Effect[]] {
  switch (request.kind) {
    case "seen":
      return [life, [{ kind: "acknowledge" }]];
    case "check":
      return begin(life, { wish: "look" }, []);
    case "prepare": {
      const named = versionOf(request);
      return begin(life, { wish: "prepare", ...named }, [{ kind: "want", isWanted: true, prepare: named }]);
    }
    case "now":
      return begin(life, { wish: "install" }, [{ kind: "want", isWanted: true }]);
    case "retry":
      return begin(life, { wish: "install" }, [{ kind: "forgetFailures" }, { kind: "want", isWanted: true }]);
    case "restart":
      return restart(life, request.version);
    case "back":
    case "install":
      return beginNext(life, request.kind === "back" ? "back" : "folder");
  }
}

function restart(life: Life, version?: string): [Life, Effect[]] {
  const isMeant = (release: string | undefined) => release !== undefined && (version ?? release) === release;
  switch (life.phase) {
    case "ready":
      return isMeant(life.release) ? restartReady(life.release) : [{ ...life, because: notReady }, []];
    case "checking":
      return [isMeant(life.ready) ? { ...life, next: "restart" } : life, []];
    case "verifying":
      return [isMeant(life.release) ? { ...life, next: "restart" } : life, []];
    case "idle":
    case "refused":
      return [{ phase: "refused", because: notReady, checkAtMs: life.checkAtMs }, []];
    case "installing":
    case "restarting":
    case "returning":
    case "waiting":
    case "trying":
    case "doubting":
      return [life, []];
  }
}

const notReady: UpdateTrouble = {
  code: "update.notReady",
  message: "no release is ready to be started",
  hint: "hamlet update prepare",
};

/** Ends what waits: whoever goes back or comes with a folder wants nothing else. */
export function beginNext(life: Life, next: Next): [Life, Effect[]] {
  switch (life.phase) {
    case "checking":
      return [{ ...life, next }, []];
    case "installing":
    case "verifying":
    case "restarting":
    case "returning":
    case "trying":
    case "doubting":
      return [life, []];
    case "idle":
    case "ready":
    case "refused":
    case "waiting":
      switch (next) {
        case "restart":
          return restart(life);
        case "back":
          return [{ phase: "returning" }, [{ kind: "want", isWanted: false }, { kind: "goBack" }]];
        case "folder":
          return [{ phase: "checking", wish: "install", failures: 0 }, [{ kind: "check", in: "folder" }]];
      }
  }
}

const rank: Record<Wish, number> = { look: 0, prepare: 1, install: 2 };
/** Whoever wants less than what is wanted already changes nothing. */
export const more = (one: Wished, other: Wished): Wished =>
  rank[other.wish] >= rank[one.wish]
    ? { wish: other.wish, ...versionOf(other) }
    : { wish: one.wish, ...versionOf(one) };

export function begin(life: Life, wished: Wished, before: Effect[]): [Life, Effect[]] {
  switch (life.phase) {
    case "checking": {
      const { version: _, ...rest } = life;
      return [{ ...rest, ...more(life, wished) }, before];
    }
    case "installing":
      // It is under way: only its end changes.
      return wished.wish === "install" && life.wish === "prepare" ? [{ ...life, wish: "install" }, before] : [life, []];
    case "verifying":
      return [{ ...life, asked: more(life.asked ?? { wish: "look" }, wished) }, before];
    case "restarting":
    case "returning":
    case "trying":
    case "doubting":
      return [life, []];
    case "ready": {
      if (wished.wish === "prepare" && wished.version === life.release) {
        const { because: _, ...still } = life;
        return [still, before];
      }
      const [next, effects] = checking(wished, 0, life.release);
      return [next, [...before, ...effects]];
    }
    case "idle":
    case "refused":
    case "waiting": {
      // After a trial without a verdict only somebody who wants the update now shortens the pause.
      if (life.phase === "waiting" && life.because.code.startsWith("trial.") && wished.wish === "prepare") {
        return [{ ...life, ...more(life, wished) }, before];
      }
      const [next, effects] = checking(life.phase === "waiting" ? more(life, wished) : wished);
      return [next, [...before, ...effects]];
    }
  }
}

/** Power that fails before the restart leaves the release ready, and nothing restarts by itself. */
const restartReady = (release: string): [Life, Effect[]] => [
  { phase: "restarting", release, wasReady: true },
  [{ kind: "want", isWanted: true, prepare: { version: release } }, { kind: "restart" }],
];

export const versionOf = ({ version }: { version?: string }) => (version === undefined ? {} : { version });

export const checking = ({ wish, ...named }: Wished, failures = 0, ready?: string): [Life, Effect[]] => [
  { phase: "checking", wish, ...versionOf(named), failures, ...(ready !== undefined && { ready }) },
  [{ kind: "check", ...versionOf(named) }],
];
