// What became of this device's own update: its word, once it is back, or once it sees that it cannot begin.
// Pure.
import { compareVersions } from "../../image/boot/versions.ts";
import { currentOf } from "./course.ts";
import { dayMs, rank } from "./ranking.ts";
import { busyUpdater, noUpdater, ownTrouble, troubleDueAtMs } from "./trouble.ts";
import { autoOff, type Effect, type Order, type Outcome, type Own, type View } from "./view.ts";
import { outerWait } from "./wait.ts";
import { isStuck, say, type Word } from "./words.ts";

type Step = [View, Effect[]];
type Away = Extract<Own, { step: "away" }>;

/** An updater that has not been at the restart for this time has not taken it, or has given it up. */
const takenMs = 2 * 60_000;
/** One that says nothing, or is busy with something else, may still restart. Nobody waits for anything longer than a day. */
const longestMs = dayMs;
const unfitCodes = new Set(["update.tooOld", "update.notNewer"]);

export function endOwn(view: View, nowMs: number): Step {
  const { own } = view;
  if (own.step === "away") return endAway(view, own, nowMs);
  return own.step === "resting" ? tellRest(view, nowMs) : [view, []];
}

function endAway(view: View, own: Away, nowMs: number): Step {
  const { updater, ended } = view;
  if (ended && ended.atWallMs !== own.lastEndWallMs && (ended.to === own.release || ended.from === own.release)) {
    switch (ended.outcome) {
      case "committed":
        return report(view, own, nowMs, "updated");
      case "failed":
        return nowMs < view.listenUntilMs ? [view, []] : report(view, own, nowMs, "failed", ended.check);
      case "void":
        return report(view, own, nowMs, "stayed", ended.check);
      case "left":
      case "rescued":
        return nowMs < view.listenUntilMs ? [view, []] : report(view, own, nowMs, "fellBack", ended.check);
    }
  }
  // The restart may fail, or power before the trial is armed: then no end is told of, and the updater no longer is at it.
  const isOver = nowMs >= endsAtMs(view, own);
  if (!isOver && isAtIt(updater, own.release)) return [{ ...view, own: { ...own, sinceMs: nowMs } }, []];
  if (nowMs < givenUpAtMs(view, own)) return [view, []];
  return report(view, own, nowMs, "stayed", givenUpBecause(updater, own.release));
}

/** When the restart counts as given up, unless the updater is at it again meanwhile. */
export const givenUpAtMs = (view: View, own: Away): number =>
  Math.min(own.sinceMs + (view.updater.phase === "silent" ? longestMs : takenMs), endsAtMs(view, own));

/** Whatever the updater says by then. A device that has just started may be in its trial, and has the time anew. */
function endsAtMs({ results, self, listenUntilMs }: View, { rollout, sinceMs }: Away): number {
  const word = results.get(self);
  const beganMs = word?.rollout === rollout && word.outcome === "began" ? word.heardAtMs : sinceMs;
  return Math.max(beganMs, listenUntilMs) + longestMs;
}

function givenUpBecause(updater: View["updater"], release: string): string | undefined {
  if (updater.phase === "refusing") return updater.code;
  if (updater.phase === "silent") return noUpdater;
  return isAtIt(updater, release) ? busyUpdater : undefined;
}

/** It has not asked for the restart, and comes to its turn again. */
export const giveUp = (view: View, nowMs: number): Step =>
  view.own.step === "away" ? report(view, view.own, nowMs, "stayed") : [view, []];

function isAtIt(updater: View["updater"], release: string): boolean {
  switch (updater.phase) {
    case "restarting":
    case "trying":
      return updater.release === release;
    case "refusing":
      // Whether the trial has failed is still open.
      return updater.release === release && updater.code.startsWith("trial.") && !updater.isFinal;
    case "busy":
    case "preparing":
      // A restart that was asked for meanwhile comes when it is done.
      return true;
    case "none":
    case "silent":
    case "free":
    case "ready":
      return false;
  }
}

function report(view: View, own: Away, nowMs: number, outcome: Outcome, check?: string): Step {
  const { rollout, release } = own;
  const result = { rollout, order: numberNow(view, own), release, outcome, ...(check !== undefined && { check }) };
  const [said, publish] = say(view, result, nowMs);
  return [{ ...said, own: { step: "resting" }, preparedAtMs: undefined }, [publish, { kind: "releaseLease" }]];
}

/**
 * A failure counts under the newest number, whatever the device began under: whoever signed that number may not have known of it. So a
 * device that has just started tells of none before it has heard what was ordered meanwhile.
 */
const numberNow = ({ orders }: View, { rollout, order }: Pick<Word, "rollout" | "order">): number =>
  orders.find((known) => known.order.rollout === rollout)?.order.number ?? order;

/** What a device that is not about to restart has to say: it left the release again, or the release is not for it. */
function tellRest(view: View, nowMs: number): Step {
  if (nowMs < view.listenUntilMs) return [view, []];
  const { self, results, ended, updater } = view;
  const said = results.get(self);
  const isLeft = ended?.outcome === "left" || ended?.outcome === "rescued";
  const tell = (result: Word): Step => {
    const [next, publish] = say(view, result, nowMs);
    return [next, [publish]];
  };
  if (said?.outcome === "updated" && isLeft && ended.from === said.release) {
    const { rollout, release } = said;
    return tell({ rollout, order: numberNow(view, said), release, outcome: "fellBack", check: ended.check });
  }
  const order = currentOf(view)?.order;
  const member = view.members.get(self);
  // It had given the restart up, and the restart came all the same.
  const isOpen = said !== undefined && (said.outcome === "stayed" || said.outcome === "began");
  if (isOpen && ended?.outcome === "committed" && ended.to === said.release && member?.release === said.release) {
    const { rollout, order: number, release } = said;
    return tell({ rollout, order: number, release, outcome: "updated" });
  }
  if (!order || !member || compareVersions(member.release, order.release) >= 0) return [view, []];
  const isTold = said?.rollout === order.rollout && (said.outcome === "unfit" || said.outcome === "failed");
  // Its owner's setting counts for as long as it is set.
  const isUnset = said?.check === autoOff && !order.auto?.isRefused;
  const unfit = isTold && !isUnset ? undefined : unfitness(updater, order);
  const { rollout, number, release } = order;
  if (unfit) return tell({ rollout, order: number, release, ...unfit });
  const stuck = isTold ? undefined : stuckWord(view, order, nowMs);
  if (!stuck) return [view, []];
  const [told, effects] = tell({ rollout, order: number, release, ...stuck });
  return [{ ...told, toldAtMs: nowMs }, effects];
}

/** What keeps this device although its turn has come; or, if it has said so, that nothing does any more. */
function stuckWord(view: View, order: Order, nowMs: number): Pick<Word, "outcome" | "check"> | undefined {
  const said = view.results.get(view.self);
  const isSaid = said?.rollout === order.rollout && said.release === order.release && isStuck(said);
  const trouble = ownTrouble(view, order, nowMs);
  if (!trouble) {
    const isReady = view.updater.phase === "ready" && view.updater.release === order.release;
    return isSaid && isReady ? { outcome: "stayed" } : undefined;
  }
  if ((isSaid && said.check === trouble.check) || nowMs < troubleDueAtMs(view, order, nowMs)!) return undefined;
  const known = currentOf(view)!;
  const ranking = rank(view, order, nowMs);
  const own = ranking.places.find(({ id }) => id === view.self);
  if (own?.standing.kind !== "waiting" || outerWait(view, known, ranking, own, nowMs)) return undefined;
  return { outcome: "stayed", check: trouble.check };
}

function unfitness(updater: View["updater"], { release, auto }: Order): Pick<Word, "outcome" | "check"> | undefined {
  if (auto?.isRefused) return { outcome: "unfit", check: autoOff };
  if (updater.phase === "none") return { outcome: "unfit", check: "update.noUpdater" };
  if (updater.phase !== "refusing" || updater.release !== release) return undefined;
  const { code: check } = updater;
  if (unfitCodes.has(check)) return { outcome: "unfit", check };
  return check === "update.failedBefore" ? { outcome: "failed", check } : undefined;
}
