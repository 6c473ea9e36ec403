// What a device does in a rollout, and on what it waits.
import { expect, test } from "vitest";
import { dueAtMs } from "../../../ota/rollout/step.ts";
import type { Updater } from "../../../ota/rollout/view.ts";
import { leasesAtOnce } from "../../../ota/rollout/wait.ts";
import { hoursOf } from "../../../ota/rollout/window.ts";
import { after, before, hourMs, idsOf, minuteMs, orderOf, rolloutId, Stage } from "./stage.ts";

const ids = idsOf(4);
const [canary = "", second = "", third = "", last = ""] = ids;
const ask = { kind: "askLease" };

test("the canary prepares, asks for the lease, restarts under it, and says how it went", () => {
  const stage = new Stage(canary, ids, {});
  expect(stage.effects).toEqual([{ kind: "prepare", release: after }]);
  expect(stage.prepare()).toEqual([ask]);
  expect(stage.happen({ kind: "granted" })).toMatchObject([
    { kind: "publish", result: { outcome: "began", device: canary, said: 1, order: 1, trialSeconds: 180 } },
    { kind: "restart", release: after },
  ]);
  stage.happen({ kind: "updater", updater: { phase: "trying", release: after } });
  stage.change({ [canary]: { release: after } });
  const ended = { from: before, to: after, outcome: "committed", atWallMs: 5 } as const;
  expect(stage.happen({ kind: "updater", updater: { phase: "free" }, ended })).toMatchObject([
    { kind: "publish", result: { outcome: "updated", said: 2 } },
    { kind: "releaseLease" },
  ]);
});

test("nobody else prepares before the canary has succeeded and soaked, by the clock that only grows", () => {
  const stage = new Stage(second, ids, {});
  expect(stage.effects).toEqual([]);
  expect(stage.wait()).toMatchObject({ on: "wave", wave: 0, devices: [canary] });
  stage.says(canary, "began");
  expect(stage.wait()).toMatchObject({ on: "wave", devices: [canary] });
  stage.says(canary, "updated");
  const soaked = stage.now + 10 * minuteMs;
  expect(stage.wait()).toMatchObject({ on: "soak", untilMs: soaked });
  expect(stage.after(10 * minuteMs - 1)).toEqual([]);
  expect(stage.after(1)).toEqual([{ kind: "prepare", release: after }]);
});

test("a wave without devices is skipped without a soak", () => {
  const stage = new Stage(second, ids.slice(0, 2), { waves: ["canary", 1, 50, 100] });
  stage.says(canary, "updated");
  expect(stage.after(10 * minuteMs)).toEqual([{ kind: "prepare", release: after }]);
});

test("the canary stays the canary although somebody of a lower rank comes later", () => {
  const stage = new Stage(third, [second, third], {});
  stage.says(second, "began");
  stage.members.set(canary, { id: canary, release: before, tags: [], duties: [] });
  stage.change({});
  expect(stage.status().members.map(({ id, wave }) => [id, wave])).toEqual([
    [second, 0],
    [canary, 1],
    [third, 2],
  ]);
});

test("a failure that the wave cannot make up for stops it for good, until an operator resumes it under a higher number", () => {
  const stage = new Stage(second, ids, {});
  stage.says(canary, "began");
  stage.says(canary, "failed", { check: "trial.meshDown" });
  expect(stage.status()).toMatchObject({ state: "paused", failed: 1, waits: { on: "failures", devices: [canary] } });
  expect(stage.after(1_000 * hourMs)).toEqual([]);
  // Whoever resumes it knows of this failure.
  stage.order({ number: 3 });
  expect(stage.status()).toMatchObject({ state: "running", failed: 1 });
  expect(stage.effects.at(-1)).toEqual({ kind: "prepare", release: after });
});

test("after a resume the next in rank is the canary, and the others wait for it as they waited for the first", () => {
  const stage = new Stage(third, ids, {});
  stage.says(canary, "failed", { check: "trial.meshDown" });
  stage.order({ number: 2 });
  expect(stage.status()).toMatchObject({ state: "running", wave: 0, next: second });
  expect(stage.wait()).toMatchObject({ on: "wave", wave: 0, devices: [second] });
  stage.says(second, "updated", { order: 2 });
  expect(stage.wait()).toMatchObject({ on: "soak", wave: 0 });
  expect(stage.after(10 * minuteMs)).toEqual([{ kind: "prepare", release: after }]);
});

test("with --max-failures the failure of that number stops it, although the share would allow more", () => {
  const many = idsOf(100);
  const stage = new Stage(many[99]!, many, { waves: [100], successPercent: 50, maxFailures: 2 });
  stage.says(many[0]!, "failed");
  expect(stage.status().state).toBe("running");
  stage.says(many[1]!, "failed");
  expect(stage.status().state).toBe("paused");
});

test("who took the lease and is not back within its trial and ten minutes has failed: that is no absence", () => {
  const stage = new Stage(second, ids, {});
  stage.says(canary, "began");
  stage.change({ [canary]: { absentSinceMs: stage.now } });
  stage.after(13 * minuteMs - 1);
  expect(stage.status()).toMatchObject({ state: "running", waits: { on: "restart", device: canary } });
  stage.after(1);
  expect(stage.status()).toMatchObject({ state: "paused", waits: { on: "failures", devices: [canary] } });
  expect(stage.status().members[0]).toMatchObject({ standing: "failed", check: "rollout.notBack" });
});

test("its word that it is back after all counts, because it may have been this device that heard nobody", () => {
  const stage = new Stage(second, ids, {});
  stage.says(canary, "began");
  stage.after(hourMs);
  stage.says(canary, "updated");
  expect(stage.status()).toMatchObject({ state: "running", updated: 1 });
});

test("a device that says done and runs the old release has failed", () => {
  const stage = new Stage(second, ids, {});
  stage.says(canary, "updated");
  stage.change({ [canary]: { release: before } });
  expect(stage.status().members[0]).toMatchObject({ standing: "updating" });
  stage.after(10 * minuteMs);
  expect(stage.status().members[0]).toMatchObject({ standing: "failed", check: "rollout.contradiction" });
});

test.each([
  ["goes for a day", {}, 24 * hourMs],
  ["leaves", { hasLeft: true }, 10 * minuteMs],
])("a device that says done, shows the old release and %s has failed", (_, change, afterMs) => {
  const stage = new Stage(second, ids, {});
  stage.says(canary, "updated");
  stage.change({ [canary]: { release: before, absentSinceMs: stage.now, ...change } });
  stage.after(afterMs - 1);
  expect(stage.status().members[0]).toMatchObject({ standing: "updating" });
  stage.after(1);
  expect(stage.status().members[0]).toMatchObject({ standing: "failed", check: "rollout.contradiction" });
});

test("a device that says again and again that it has begun gets no more time", () => {
  const stage = new Stage(second, ids, {});
  stage.says(canary, "began");
  stage.after(12 * minuteMs);
  stage.says(canary, "began");
  stage.after(minuteMs);
  expect(stage.status().members[0]).toMatchObject({ standing: "failed", check: "rollout.notBack" });
});

test("a device that says again and again that it has the release makes no soak longer", () => {
  const stage = new Stage(second, ids, {});
  stage.says(canary, "updated");
  for (let minute = 0; minute < 9; minute++) {
    stage.after(minuteMs);
    stage.says(canary, "updated");
  }
  expect(stage.wait()).toMatchObject({ on: "soak", untilMs: stage.now + minuteMs });
  stage.after(minuteMs);
  expect(stage.status()).toMatchObject({ wave: 1 });
});

test("a fallback takes a success back", () => {
  const stage = new Stage(second, ids, {});
  stage.says(canary, "updated");
  expect(stage.status().updated).toBe(1);
  stage.says(canary, "fellBack", { check: "slot.panics" });
  expect(stage.status()).toMatchObject({ state: "paused", updated: 0, failed: 1 });
});

test("a failure after the end is told: whoever comes later is stopped by it", () => {
  const terms = { waves: [100], soakSeconds: 0, maxFailures: 1 };
  const stage = new Stage(third, ids);
  stage.order(terms, {}, [{ device: canary, untilWallMs: 10 ** 15, lastsMs: 10 ** 15, reason: "film" }]);
  for (const id of ids.slice(1)) stage.says(id, "updated");
  stage.after(1_000);
  expect(stage.status()).toMatchObject({ state: "finished" });
  stage.order(terms);
  expect(stage.status()).toMatchObject({ state: "finished" });
  stage.says(canary, "failed", { check: "trial.meshDown" });
  expect(stage.status()).toMatchObject({ state: "paused", waits: { on: "failures", devices: [canary] } });
  // What an operator says of a rollout that has ended does not begin it anew.
  stage.after(1_000);
  stage.order({ ...terms, number: 2 });
  expect(stage.status()).toMatchObject({ state: "finished", failed: 1 });
  stage.order({ ...terms, number: 3, state: "paused" });
  expect(stage.status()).toMatchObject({ state: "finished" });
});

test("this device tells of its own fallback", () => {
  const stage = new Stage(canary, ids, {});
  stage.says(canary, "updated");
  const ended = { from: after, to: before, outcome: "rescued", check: "slot.panics", atWallMs: 9 } as const;
  stage.change({ [canary]: { release: before } });
  expect(stage.happen({ kind: "updater", updater: { phase: "free" }, ended })).toMatchObject([
    { kind: "publish", result: { outcome: "fellBack", check: "slot.panics" } },
  ]);
});

test("an older word of a device changes nothing", () => {
  const stage = new Stage(second, ids, {});
  stage.says(canary, "began");
  stage.says(canary, "updated");
  stage.happen({
    kind: "result",
    result: { device: canary, said: 1, rollout: rolloutId, order: 1, release: after, outcome: "failed" },
  });
  expect(stage.status()).toMatchObject({ updated: 1, failed: 0 });
});

test("an absence under a day blocks its wave, a longer one is passed over and named, and seven days of them are enough", () => {
  const stage = new Stage(second, ids, {});
  stage.change({ [canary]: { absentSinceMs: stage.now } });
  expect(stage.status().waits).toMatchObject({ on: "absence", device: canary });
  stage.after(24 * hourMs);
  expect(stage.status().members.at(-1)).toMatchObject({ id: canary, standing: "passedOver" });
  expect(stage.effects.at(-1)).toEqual({ kind: "prepare", release: after });

  const often = new Stage(second, ids, {});
  for (let hours = 0; hours < 7 * 24; hours += 20) {
    often.change({ [last]: { absentSinceMs: often.now } });
    for (let minutes = 0; minutes < 20 * 60; minutes += 10) often.after(10 * minuteMs);
    often.change({ [last]: { absentSinceMs: undefined } });
  }
  often.change({ [last]: { absentSinceMs: often.now } });
  expect(often.status().members.at(-1)).toMatchObject({ id: last, standing: "passedOver" });
});

test("nobody restarts while anybody is away, whether the rollout is about it or not", () => {
  const stage = new Stage(canary, ids, {});
  stage.prepare();
  stage.happen({ kind: "leaseLost" });
  stage.change({ [last]: { absentSinceMs: stage.now, release: after } });
  expect(stage.happen({ kind: "tick" })).toEqual([]);
  expect(stage.wait()).toMatchObject({ on: "absence", device: last, untilMs: stage.now + 24 * hourMs });
  stage.change({ [last]: { hasLeft: true } });
  expect(stage.effects.at(-1)).toEqual(ask);
});

test("who is away leaves fewer leases for those who ask together", () => {
  const stage = new Stage(canary, ids, { maxUnavailable: 2, waves: [100] });
  expect(leasesAtOnce(stage.view, stage.now)).toBe(2);
  stage.change({ [last]: { absentSinceMs: stage.now } });
  expect(leasesAtOnce(stage.view, stage.now)).toBe(1);
  // One that restarts has a lease itself.
  stage.says(last, "began");
  expect(leasesAtOnce(stage.view, stage.now)).toBe(2);
});

test("there is one lease for the canary, however many may be away later", () => {
  const stage = new Stage(second, ids, { maxUnavailable: 3 });
  expect(leasesAtOnce(stage.view, stage.now)).toBe(1);
  stage.says(canary, "updated");
  stage.after(10 * minuteMs);
  expect(leasesAtOnce(stage.view, stage.now)).toBe(3);
});

test("what changed between asking and holding the lease counts: it gives the lease back", () => {
  const stage = new Stage(canary, ids, {});
  stage.prepare();
  stage.order({ number: 2, state: "paused" });
  expect(stage.happen({ kind: "granted" })).toEqual([{ kind: "releaseLease" }]);
});

test("a denied lease names its holder and is asked for again", () => {
  const stage = new Stage(canary, ids, {});
  stage.prepare();
  stage.happen({ kind: "denied", by: "held", holder: last, untilMs: stage.now + 5 * minuteMs });
  expect(stage.wait()).toMatchObject({ on: "lease", because: "held", holder: last, untilMs: stage.now + 5 * minuteMs });
  // It may be given back before it ends, and that is no news of its own.
  expect(dueAtMs(stage.view, stage.now)).toBe(stage.now + 10_000);
  expect(stage.after(10_000)).toEqual([ask]);
});

test("whoever is denied the lease again and again asks less often, but every two minutes at least", () => {
  const stage = new Stage(canary, ids, {});
  stage.prepare();
  const pauses: number[] = [];
  for (let tries = 0; tries < 8; tries++) {
    stage.happen({ kind: "denied", by: "held", holder: last, untilMs: stage.now + hourMs });
    const pauseMs = stage.view.denial!.askAgainAtMs - stage.now;
    pauses.push(pauseMs / 1_000);
    expect(stage.after(pauseMs)).toEqual([ask]);
  }
  expect(pauses).toEqual([10, 10, 20, 40, 80, 120, 120, 120]);
});

test("a denied lease names the voters on whom it depends", () => {
  const stage = new Stage(canary, ids, {});
  stage.prepare();
  stage.happen({ kind: "denied", by: "settling", awaits: [second], untilMs: stage.now + hourMs });
  const waits = () => stage.status().members.find(({ id }) => id === canary)!.waits!;
  expect(waits()).toMatchObject({ on: "lease", because: "settling", awaits: [second] });
  // While it asks once more nothing has changed yet.
  expect(stage.after(10_000)).toEqual([ask]);
  expect(waits()).toMatchObject({ on: "lease", because: "settling", awaits: [second] });
  stage.happen({ kind: "denied", by: "noMajority", awaits: [third, last] });
  expect(waits()).toMatchObject({ on: "lease", because: "noMajority", awaits: [third, last] });
});

test("of two holds the one that ends last is named", () => {
  const stage = new Stage(canary, ids, {});
  const hold = (device: string, lastsMs: number, reason: string) => ({ device, untilWallMs: lastsMs, lastsMs, reason });
  stage.order({}, {}, [
    hold("all", hourMs, "guests"),
    hold(canary, 3 * hourMs, "film"),
    hold(canary, 2 * hourMs, "tea"),
  ]);
  expect(stage.wait()).toMatchObject({ on: "hold", reason: "film", untilMs: stage.now + 3 * hourMs });
});

test("a held device is passed over by name, and updated once the hold is over", () => {
  const stage = new Stage(canary, ids);
  stage.happen({ kind: "clock", moment: { atMs: stage.now, wallMs: 0, minute: 0 } });
  stage.order({}, {}, [{ device: canary, untilWallMs: hourMs, lastsMs: hourMs, reason: "film" }]);
  expect(stage.effects).toEqual([]);
  expect(stage.wait()).toMatchObject({ on: "hold", reason: "film", untilMs: stage.now + hourMs });
  for (const id of [second, third, last]) stage.says(id, "updated");
  stage.after(59 * minuteMs);
  expect(stage.status().state).toBe("finished");
  expect(stage.after(minuteMs)).toEqual([{ kind: "prepare", release: after }]);
});

test.each([
  ["a hold of all", ["all"]],
  ["a hold of each", ids],
])("%s holds the waves too: the canary is still to come when it is over", (_, devices) => {
  const stage = new Stage(canary, ids);
  stage.happen({ kind: "clock", moment: { atMs: stage.now, wallMs: 0, minute: 0 } });
  const holds = devices.map((device) => ({ device, untilWallMs: hourMs, lastsMs: hourMs, reason: "guests" }));
  stage.order({}, {}, holds);
  expect(stage.status()).toMatchObject({ state: "running", wave: 0, waits: { on: "hold", reason: "guests" } });
  expect(stage.status().members.map(({ standing }) => standing)).toEqual(["held", "held", "held", "held"]);
  expect(stage.after(hourMs)).toEqual([{ kind: "prepare", release: after }]);
  expect(stage.status()).toMatchObject({ state: "running", wave: 0, next: canary });
});

test("a hold of all in the middle does not end the waves that are left", () => {
  const stage = new Stage(last, ids, {});
  stage.happen({ kind: "clock", moment: { atMs: stage.now, wallMs: 0, minute: 0 } });
  for (const id of [canary, second]) stage.says(id, "updated");
  stage.order({}, {}, [{ device: "all", untilWallMs: hourMs, lastsMs: hourMs, reason: "guests" }]);
  stage.after(hourMs - 1);
  expect(stage.status()).toMatchObject({ state: "running", wave: 0 });
});

test("it restarts in the hours alone, and at any hour once no time server has answered for a day", () => {
  const stage = new Stage(canary, ids);
  stage.happen({ kind: "clock", moment: { atMs: stage.now, wallMs: 0, minute: 60, unsyncedSinceMs: stage.now } });
  stage.order({ window: "02:00-05:00" });
  stage.prepare();
  expect(stage.wait()).toMatchObject({ on: "window", untilMs: stage.now + hourMs });
  expect(stage.after(hourMs)).toEqual([ask]);
  stage.happen({ kind: "leaseLost" });
  stage.happen({ kind: "denied", by: "noMajority" });
  stage.after(3 * hourMs);
  stage.happen({ kind: "denied", by: "noMajority" });
  expect(stage.wait()).toMatchObject({ on: "window" });
  stage.after(20 * hourMs);
  expect(stage.status().isWindowIgnored).toBe(true);
  expect(stage.wait()?.on).not.toBe("window");
});

test("whatever fraction of a millisecond it is, the hours have begun at the moment that is told for their beginning", () => {
  for (let at = 0; at < 1_000; at++) {
    const nowMs = 1_000 + at / 7;
    const clock = { atMs: at / 3, wallMs: 0, minute: at / 11 };
    const { untilMs, isOpen } = hoursOf("02:00-05:00", clock, nowMs);
    expect([isOpen, untilMs > nowMs, hoursOf("02:00-05:00", clock, untilMs).isOpen]).toEqual([false, true, true]);
  }
});

test("hours over midnight", () => {
  const stage = new Stage(canary, ids);
  stage.happen({ kind: "clock", moment: { atMs: stage.now, wallMs: 0, minute: 30 } });
  stage.order({ window: "23:00-01:00" });
  expect(stage.prepare()).toEqual([ask]);
});

test.each([{ what: "session" }, { what: "install" }, { what: "inhibitor", who: "backup" }] as const)(
  "somebody at work delays the restart for a day at most, and is named: $what",
  (work) => {
    const stage = new Stage(canary, ids);
    stage.happen({ kind: "busy", busy: { ...work, sinceMs: stage.now } });
    stage.order({});
    expect(stage.prepare()).toEqual([]);
    expect(stage.wait()).toMatchObject({ on: "people", ...work, untilMs: stage.now + 24 * hourMs });
    const { waits } = stage.status().members.find(({ id }) => id === canary)!;
    expect(waits).toMatchObject({ on: "people", ...work });
    expect(waits!.until! - waits!.since).toBe(24 * hourMs);
    expect(stage.after(24 * hourMs - 1)).not.toContainEqual(ask);
    expect(stage.after(1)).toContainEqual(ask);
  },
);

test("somebody who comes to work after the lease was granted delays the restart too", () => {
  const stage = new Stage(canary, ids);
  stage.order({});
  expect(stage.prepare()).toEqual([ask]);
  stage.happen({ kind: "busy", busy: { what: "install", sinceMs: stage.now } });
  stage.happen({ kind: "granted" });
  expect(stage.effects).not.toContainEqual(expect.objectContaining({ kind: "restart" }));
});

test("who relays for others or leads to the web comes last, and not before the others are done", () => {
  const stage = new Stage(canary, ids);
  stage.change({ [canary]: { duties: ["uplink"] }, [third]: { duties: ["relay"] } });
  stage.order({ waves: [100] });
  expect(stage.status().members.map(({ id }) => id)).toEqual([second, last, third, canary]);
  stage.prepare();
  expect(stage.wait()).toMatchObject({ on: "turn", device: second });
  for (const id of [second, last]) stage.says(id, "updated");
  stage.after(hourMs);
  expect(stage.wait()).toMatchObject({ on: "turn", device: third });
  stage.says(third, "updated");
  expect(stage.effects.at(-1)).toEqual(ask);
});

test("nobody waits long for one whose turn it is and who does not ask", () => {
  const stage = new Stage(second, ids, { waves: [100] });
  stage.prepare();
  expect(stage.wait()).toMatchObject({ on: "turn", device: canary });
  expect(stage.after(20_000)).toEqual([ask]);
});

test("of two rollouts the newer waits until the older is done or aborted", () => {
  const stage = new Stage(canary, ids);
  const orders = (state: "running" | "aborted") => [
    { order: orderOf({ rollout: "b".repeat(22), startedAt: 2, release: "1.2.0" }), operators: ["owner"] },
    { order: orderOf({ state }), operators: ["owner"] },
  ];
  stage.happen({ kind: "orders", orders: orders("running"), holds: [] });
  expect(stage.status()).toMatchObject({ release: after, later: [{ release: "1.2.0" }] });
  stage.happen({ kind: "orders", orders: orders("aborted"), holds: [] });
  expect(stage.status()).toMatchObject({ release: "1.2.0", later: [] });
});

test("operators who disagree pause it, and both are named", () => {
  const stage = new Stage(canary, ids);
  stage.order({ state: "paused" }, { because: "operatorsDisagree", operators: ["ann", "bob"] });
  expect(stage.effects).toEqual([]);
  expect(stage.status().waits).toMatchObject({
    on: "operator",
    operators: ["ann", "bob"],
    because: "operatorsDisagree",
  });
});

test("promoted waves need neither soak nor threshold", () => {
  const stage = new Stage(last, ids, {});
  expect(stage.wait()).toMatchObject({ on: "wave" });
  stage.order({ number: 2, promoted: 2 });
  expect(stage.effects.at(-1)).toEqual({ kind: "prepare", release: after });
});

test("an aborted rollout asks nobody for anything", () => {
  const stage = new Stage(canary, ids, { state: "aborted" });
  expect([stage.effects, stage.status().state]).toEqual([[], "aborted"]);
});

test("an updater that has refused is left to its own pauses, and asked anew each hour at most", () => {
  const minuteByMinute = (updater: Updater): number => {
    const stage = new Stage(canary, ids, {});
    stage.happen({ kind: "updater", updater });
    let asked = 0;
    for (let minute = 0; minute < 120; minute++)
      asked += stage.after(minuteMs).filter(({ kind }) => kind === "prepare").length;
    return asked;
  };
  const refusing = { phase: "refusing", code: "update.tooDear", isFinal: false } as const;
  expect(minuteByMinute({ ...refusing, release: after })).toBe(2);
  expect(minuteByMinute(refusing)).toBe(2);
  // What refuses another release, or only the restart, says nothing of this one.
  expect(minuteByMinute({ ...refusing, release: "9.9.9" })).toBe(120);
  expect(minuteByMinute({ ...refusing, release: after, isReady: true })).toBe(120);
});

test("a release that is not for a device, or a machine without slots, passes it over by its own word", () => {
  const tooOld = new Stage(canary, ids, {});
  const updater = { phase: "refusing", release: after, code: "update.tooOld", isFinal: true } as const;
  expect(tooOld.happen({ kind: "updater", updater })).toMatchObject([
    { kind: "publish", result: { outcome: "unfit", check: "update.tooOld" } },
  ]);
  expect(tooOld.happen({ kind: "tick" })).toEqual([]);
  const computer = new Stage(canary, ids);
  computer.happen({ kind: "updater", updater: { phase: "none" } });
  expect(computer.order({})).toMatchObject([
    { kind: "publish", result: { outcome: "unfit", check: "update.noUpdater" } },
  ]);
});

test("a device that has just started forgets no pause before it hears again what was ordered", () => {
  const [canary = "", second = ""] = idsOf(3);
  const stage = new Stage(second, idsOf(3), { maxFailures: 1 });
  stage.says(canary, "failed", { check: "trial.meshDown" });
  const { progress } = stage.view;
  expect(progress.get(rolloutId)).toMatchObject({ pausedAt: 1 });
  const again = new Stage(second, idsOf(3));
  again.view = { ...again.view, progress, listenUntilMs: again.now + minuteMs };
  again.happen({ kind: "clock", moment: { atMs: again.now, wallMs: 5, minute: 0 } });
  again.order({ maxFailures: 1 });
  again.after(2 * minuteMs);
  expect(again.status()).toMatchObject({ state: "paused" });
});
