// One member that says, shows and does anything at all, at any time: it holds nobody up for ever, and whoever waits says on what. It has
// eight tries, and each may come only when the others are about to pass it over.
import { expect, test } from "vitest";
import { memberText, waitText } from "../../dashboard/rollout-words.ts";
import type { Duty, Order, Result } from "../../ota/rollout/view.ts";
import { draw, type Random, sample } from "../../system/random.ts";
import { after, before, hourMs, idsOf, minuteMs, rolloutId, Stage } from "../ota/rollout/stage.ts";

const ids = idsOf(4);
const [hostile = "", second = "", third = "", fourth = ""] = ids;
const dayMs = 24 * hourMs;
const outcomes = ["began", "updated", "stayed", "unfit", "began", "stayed"] as const;
const checks = ["update.busy", "update.noRoom", "people.session", "update.autoOff", undefined];

const orders: Partial<Order>[] = [
  { waves: ["canary", 100], soakSeconds: 1800 },
  { waves: [100], soakSeconds: 0 },
  { waves: [25, 50, 100], soakSeconds: 600, window: "02:00-05:00" },
  { waves: ["canary", 100], soakSeconds: 0, maxUnavailable: 2 },
];

const pick = <T>(random: Random, all: readonly T[]): T => sample(random, all, 1)[0]!;
const chance = (random: Random, share: number): boolean => draw(random) < share;

/** In how many days the second device asks for the lease, or the rollout has been stopped by failures for two days. */
function attack(seed: number): { days: number; history: string[] } {
  const random: Random = { seed };
  const stage = new Stage(second, ids, {});
  const history: string[] = [];
  stage.change({ [second]: { duties: chance(random, 0.3) ? (["gateway"] as Duty[]) : [] } });
  stage.order({ ...pick(random, orders), number: 3 });
  stage.prepare();
  stage.effects = [];
  const [from, said] = [stage.now, { count: 0 }];
  // Each attacker has a few habits, so that what helps is done again and again.
  const habits = Array.from({ length: 1 + Math.floor(draw(random) * 4) }, () => habitOf(random));
  const pauseMs = pick(random, [minuteMs, 4 * minuteMs, 12 * minuteMs, hourMs, 7 * hourMs, 20 * hourMs]);
  // Whoever is not back, or shows another release than it says, stops the rollout only until it says something else.
  let goesOnAtMs = stage.now;
  const isOver = () => {
    const { state, waits } = stage.status();
    if (state !== "paused" || waits?.on !== "failures") goesOnAtMs = stage.now;
    return stage.effects.some(({ kind }) => kind === "askLease") || stage.now - goesOnAtMs >= 2 * dayMs;
  };
  for (let at = 0; !isOver() && stage.now - from < 30 * dayMs; at++) {
    const habit = habits[at % habits.length]!;
    if (at < 12) history.push(JSON.stringify(habit));
    act(stage, habit, said);
    for (let leftMs = pauseMs; leftMs > 0 && !isOver(); leftMs -= 10 * minuteMs) {
      stage.after(Math.min(leftMs, 10 * minuteMs));
      const minute = ((stage.now - from) / minuteMs) % (24 * 60);
      stage.happen({ kind: "clock", moment: { atMs: stage.now, wallMs: stage.now, minute } });
      expectWords(stage);
    }
    for (const id of [third, fourth]) follow(stage, id);
  }
  return { days: (stage.now - from) / dayMs, history: [`every ${pauseMs / minuteMs} min`, ...history] };
}

type Habit = { isAway?: boolean; release?: string; word?: Partial<Result> & Pick<Result, "outcome"> };
function habitOf(random: Random): Habit {
  const what = draw(random);
  if (what < 0.25) return { isAway: chance(random, 0.6) };
  if (what < 0.35) return { release: pick(random, [before, after, "0.9.0", "9.9.9"]) };
  const check = pick(random, checks);
  const word = {
    outcome: pick(random, outcomes),
    rollout: chance(random, 0.2) ? "x".repeat(22) : rolloutId,
    release: chance(random, 0.15) ? "9.9.9" : after,
    order: pick(random, [1, 3, 99]),
    ...(check !== undefined && { check }),
  };
  return { word, ...(chance(random, 0.2) && { release: pick(random, [before, after]) }) };
}

function act(stage: Stage, { isAway, release, word }: Habit, said: { count: number }): void {
  const { absentSinceMs = stage.now } = stage.members.get(hostile)!;
  if (isAway !== undefined) stage.change({ [hostile]: { absentSinceMs: isAway ? absentSinceMs : undefined } });
  if (release !== undefined) stage.change({ [hostile]: { release } });
  if (!word) return;
  const result = { device: hostile, said: ++said.count, rollout: rolloutId, order: 1, release: after, ...word };
  stage.happen({ kind: "result", result: { ...result, ...(word.outcome === "began" && { trialSeconds: 480 }) } });
}

/** The other honest ones update as soon as they are next. */
function follow(stage: Stage, id: string): void {
  const status = stage.status();
  if (status.next === id && status.state === "running" && !status.waits) {
    stage.says(id, "began");
    stage.after(minuteMs);
    stage.says(id, "updated");
  }
}

function expectWords(stage: Stage): void {
  const nameOf = (id: string) => id.slice(0, 8);
  const status = stage.status();
  const now = stage.view.clock.wallMs + stage.now - stage.view.clock.atMs;
  const own = status.members.find(({ id }) => id === second);
  if (own?.standing === "waiting" && stage.view.own.step === "resting")
    expect(own.waits ?? status.waits, "it waits on nothing").toBeDefined();
  for (const wait of [status.waits, own?.waits]) {
    if (!wait) continue;
    expect(waitText(wait, nameOf, now)).not.toBe("");
    expect(wait.since).toBeLessThanOrEqual(now + 1);
  }
  if (own) expect(memberText(own, nameOf, now)).not.toBe("");
}

test("whatever one member says or does, the next begins within three weeks or the rollout is stopped by name", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const { days, history } = attack(seed);
    expect(days, `seed ${seed}: ${history.join("\n")}`).toBeLessThan(21);
  }
});
