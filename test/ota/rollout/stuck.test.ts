// A member that is there and does not begin: whatever keeps it, all others name it, and no wave waits for it for ever.
import { expect, test } from "vitest";
import { memberText, nextSteps } from "../../../dashboard/rollout-words.ts";
import type { Busy, Effect, Updater } from "../../../ota/rollout/view.ts";
import { after, hourMs, idsOf, minuteMs, orderOf, rolloutId, Stage } from "./stage.ts";

const ids = idsOf(3);
const [canary = "", second = ""] = ids;
const nameOf = (id: string) => (id === canary ? "attic" : id);

/** The canary, which cannot begin, and another member, which hears its words. */
class Pair {
  readonly stuck = new Stage(canary, ids);
  readonly other = new Stage(second, ids);
  words: string[] = [];

  constructor(trouble: { updater?: Updater; busy?: Omit<Busy, "sinceMs"> }) {
    for (const stage of [this.stuck, this.other])
      stage.happen({ kind: "clock", moment: { atMs: stage.now, wallMs: 5, minute: 0 } });
    this.other.order({});
    this.stuck.order({});
    this.meet(trouble);
  }

  meet({ updater = { phase: "ready", release: after }, busy }: ConstructorParameters<typeof Pair>[0]): void {
    if (busy) this.stuck.happen({ kind: "busy", busy: { ...busy, sinceMs: this.stuck.now } });
    this.tell(this.stuck.happen({ kind: "updater", updater }));
  }

  tell(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind !== "publish") continue;
      const { outcome, check } = effect.result;
      this.words.push(`${outcome} ${check}`);
      this.other.happen({ kind: "result", result: effect.result });
    }
  }

  /** Minute by minute, until the other's wave has come. Returns how many hours that took. */
  untilNext(maxHours: number): number {
    for (let minute = 0; minute < maxHours * 60; minute++) {
      if (this.other.effects.some(({ kind }) => kind === "prepare")) return minute / 60;
      this.tell(this.stuck.after(minuteMs));
      this.other.after(minuteMs);
    }
    return Number.POSITIVE_INFINITY;
  }
}

const refusing = (code: string, more: object = {}): { updater: Updater } => ({
  updater: { phase: "refusing", code, isFinal: false, ...more },
});
const updaterCodes = [
  ...[
    "update.notThere",
    "update.tooDear",
    "update.metered",
    "update.outsideWindow",
    "update.noRoom",
    "update.dataLost",
  ],
  ...["update.expired", "update.noRepository", "update.badMetadata", "update.badManifest", "update.wrongBoard"],
  ...["update.unreachable", "update.agentSilent", "update.badObject", "update.badRecipe", "update.verifyFailed"],
  ...["update.writeFailed", "update.busy", "trial.ended"],
];

/** All name it within three minutes, since when and until when, and what to do. */
function expectNamed(pair: Pair, on: object): void {
  expect(pair.untilNext(0.05)).toBe(Number.POSITIVE_INFINITY);
  const { waits, members } = pair.other.status();
  expect(waits).toMatchObject({ ...on, device: canary });
  expect(waits!.until! - waits!.since).toBe(24 * hourMs);
  const row = members.find(({ id }) => id === canary)!;
  expect(memberText(row, nameOf, waits!.since)).toContain("attic");
  expect(pair.stuck.status().members.find(({ id }) => id === canary)?.waits).toMatchObject(on);
}

test.each([
  ...updaterCodes.map((code) => [code, refusing(code), code] as const),
  ["a release that is nowhere", refusing("update.notThere", { isFinal: true, release: after }), "update.notThere"],
  ["a refused restart", refusing("boot.slotNotReady", { release: after, isReady: true }), "boot.slotNotReady"],
  ["an updater that is silent", { updater: { phase: "silent" } } as const, "update.noUpdater"],
] as const)("%s: all name it, with the next step, and after a day its wave goes on without it", (_, trouble, code) => {
  const pair = new Pair(trouble);
  const on = { on: "updater", code };
  expectNamed(pair, on);
  expect(nextSteps(pair.other.status(), nameOf).join()).toContain(`attic waits: hamlet explain ${code}`);
  expect(pair.untilNext(25)).toBeCloseTo(23.7, 0);
  const row = pair.other.status().members.find(({ id }) => id === canary)!;
  expect(row).toMatchObject({ standing: "passedOver", waits: on });
  expect(memberText(row, nameOf, row.waits!.since)).toContain("passed over");
});

test.each([{ what: "session" }, { what: "install" }, { what: "inhibitor", who: "backup" }] as const)(
  "somebody at work ($what): all name it, and after a day the device begins all the same",
  (busy) => {
    const pair = new Pair({ busy });
    expectNamed(pair, { on: "people", what: busy.what });
    pair.untilNext(23.9);
    expect(pair.stuck.effects.map(({ kind }) => kind)).not.toContain("askLease");
    pair.untilNext(0.1);
    expect(pair.stuck.effects.at(-1)).toEqual({ kind: "askLease" });
    expect(pair.other.status()).toMatchObject({ next: canary });
  },
);

test.each<Updater>([
  { phase: "busy" },
  { phase: "preparing", release: after, doneBytes: 7, totalBytes: 9 },
  { phase: "preparing", release: "1.0.5", doneBytes: 7, totalBytes: 9 },
  { phase: "restarting", release: "1.0.5" },
  { phase: "trying", release: after },
])(
  "an updater that is at something for ever ($phase) while its device rests: all name it, and go on after a day",
  (updater) => {
    const pair = new Pair({ updater });
    expect(pair.untilNext(0.9)).toBe(Number.POSITIVE_INFINITY);
    const on = { on: "updater", code: "update.busy" };
    expect(pair.words).toEqual(["stayed update.busy"]);
    expect(pair.other.status()).toMatchObject({ waits: { ...on, device: canary } });
    expect(pair.stuck.status().members.find(({ id }) => id === canary)).toMatchObject({ waits: on });
    expect(pair.untilNext(25)).toBeCloseTo(23.6, 0);
    pair.meet({});
    expect(pair.words.at(-1)).toBe("stayed undefined");
  },
);

test("bytes that come slowly are no trouble", () => {
  const pair = new Pair({ updater: { phase: "busy" } });
  for (let doneBytes = 1; doneBytes < 100; doneBytes++) {
    pair.meet({ updater: { phase: "preparing", release: after, doneBytes, totalBytes: 100 } });
    pair.untilNext(0.25);
  }
  expect(pair.words).toEqual([]);
});

test("a device that says nothing at all is passed over after two quiet days, under an operator too", () => {
  const pair = new Pair({ updater: { phase: "free" } });
  expect(pair.untilNext(72)).toBeCloseTo(48, 0);
  expect(pair.words).toEqual([]);
  expect(pair.other.status().members.find(({ id }) => id === canary)).toMatchObject({ standing: "silent" });
});

test("trouble that is over within a minute is worth no word, and one after the other has one day together", () => {
  const pair = new Pair(refusing("update.unreachable"));
  pair.tell(pair.stuck.after(minuteMs));
  pair.meet({});
  expect(pair.words).toEqual([]);
  const long = new Pair(refusing("update.unreachable"));
  expect(long.untilNext(12)).toBe(Number.POSITIVE_INFINITY);
  long.meet({ updater: { phase: "busy" } });
  long.meet(refusing("update.tooDear"));
  expect(long.untilNext(13)).toBeCloseTo(12, 0);
  expect(long.words).toEqual(["stayed update.unreachable", "stayed update.tooDear"]);
});

test("a device that can go on after all says so, is waited for again, and begins", () => {
  const pair = new Pair(refusing("update.notThere"));
  pair.untilNext(1);
  pair.meet({});
  expect(pair.words).toEqual(["stayed update.notThere", "stayed undefined"]);
  expect(pair.other.status()).toMatchObject({ next: canary });
  pair.tell(pair.stuck.happen({ kind: "granted" }));
  expect(pair.words.at(-1)).toBe("began undefined");
});

test("the device itself waits with a newer rollout no longer than the others do, and still tries", () => {
  const pair = new Pair(refusing("update.notThere"));
  pair.untilNext(26);
  const newer = { rollout: "b".repeat(22), startedAt: 2, release: "1.2.0" };
  const orders = [orderOf(), orderOf(newer)].map((order) => ({ order, operators: ["owner"] }));
  const [stuck] = [pair.stuck];
  stuck.effects = [];
  for (let hours = 0; hours < 3; hours++) stuck.after(hourMs);
  expect(stuck.effects).toContainEqual({ kind: "prepare", release: after });
  for (const id of ids.slice(1)) stuck.says(id, "updated");
  stuck.after(hourMs);
  stuck.happen({ kind: "orders", orders, holds: [] });
  expect(stuck.status()).toMatchObject({ release: "1.2.0" });
});

test("a release that no repository has ends no wave, is named, and stands in the way of no newer one", () => {
  const stage = new Stage(second, ids, {});
  const missing = { check: "update.notThere" };
  for (const id of ids) if (id !== second) stage.says(id, "stayed", missing);
  stage.happen({ kind: "updater", updater: { phase: "refusing", code: "update.notThere", isFinal: false } });
  for (let hours = 0; hours < 60; hours++) stage.after(hourMs);
  expect(stage.status()).toMatchObject({
    state: "running",
    wave: 0,
    waits: { on: "updater", code: "update.notThere" },
  });
  stage.order({ rollout: rolloutId });
  expect(stage.view.progress.get(rolloutId)).toMatchObject({ hasNobody: true, isFinished: false });
});

test("whoever says again and again that something keeps it and that it is over is passed over in silence", () => {
  const stage = new Stage(second, ids, {});
  for (let hours = 0; hours < 49; hours++) {
    stage.says(canary, "stayed", { check: "update.metered" });
    stage.after(hourMs / 2);
    stage.says(canary, "stayed");
    stage.after(hourMs / 2);
  }
  expect(stage.effects).toContainEqual({ kind: "prepare", release: after });
});

test("all who cannot begin delay a rollout by seven days together", () => {
  const many = idsOf(10);
  const stage = new Stage(many[9]!, many, { waves: [10, 20, 30, 40, 50, 60, 70, 80, 90, 100], soakSeconds: 0 });
  let days = 0;
  for (; days < 20 && !stage.effects.some(({ kind }) => kind === "prepare"); days += 1 / 24) {
    const wave = stage.status().wave;
    const first = stage.status().members.find((one) => one.wave === wave && one.standing === "waiting" && !one.waits);
    if (first) stage.says(first.id, "stayed", { check: "update.metered" });
    stage.after(10 * minuteMs);
    for (let minutes = 10; minutes < 60; minutes += 10) stage.after(10 * minuteMs);
  }
  expect(days).toBeLessThan(7.5);
});
