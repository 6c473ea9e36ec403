// What the updater does next.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Event, Life } from "../../../ota/updater/life.ts";
import { dueAtMs, step } from "../../../ota/updater/step.ts";

const pace = { checkEveryMs: 6 * 3600_000 };
const at = (now: number, random = 0.5) => ({ now, random });
const trouble = { code: "update.unreachable", message: "no repository answers" };
const idle: Life = { phase: "idle", checkAtMs: 1_000 };

test("a check that is due looks for a release and installs nothing", () => {
  expect(step(idle, { kind: "tick" }, pace, at(999))).toEqual([idle, []]);
  const [checking, effects] = step(idle, { kind: "tick" }, pace, at(1_000));
  expect(effects).toEqual([{ kind: "check" }]);
  const [after, none] = step(checking, { kind: "found", release: "0.2.0" }, pace, at(2_000));
  expect(none).toEqual([]);
  expect(after).toMatchObject({ phase: "idle", checkAtMs: 2_000 + pace.checkEveryMs });
});

test("devices that were switched on together do not check together", () => {
  const times = [0, 0.999].map((random) => {
    const [life] = step(
      { phase: "checking", wish: "look", failures: 0 },
      { kind: "found", release: "1" },
      pace,
      at(0, random),
    );
    return dueAtMs(life)!;
  });
  expect(times[1]! - times[0]!).toBeGreaterThan(pace.checkEveryMs / 3);
});

test("a request installs, and is remembered before anything is fetched", () => {
  const [checking, effects] = step(idle, { kind: "asked", request: { kind: "now" } }, pace, at(0));
  expect(effects).toEqual([{ kind: "want", isWanted: true }, { kind: "check" }]);
  const [installing, install] = step(checking, { kind: "found", release: "0.2.0" }, pace, at(0));
  expect(install).toEqual([{ kind: "install" }]);
  const [restarting, restart] = step(installing, { kind: "installed" }, pace, at(0));
  expect(restarting).toEqual({ phase: "restarting", release: "0.2.0" });
  expect(restart).toEqual([{ kind: "restart" }]);
});

test("a request during a check turns it into an installation", () => {
  const checking: Life = { phase: "checking", wish: "look", failures: 0 };
  const [next, effects] = step(checking, { kind: "asked", request: { kind: "now" } }, pace, at(0));
  expect(next).toMatchObject({ phase: "checking", wish: "install" });
  expect(effects).toEqual([{ kind: "want", isWanted: true }]);
});

test("nothing newer ends a request", () => {
  const checking: Life = { phase: "checking", wish: "install", failures: 0 };
  const refusal = { code: "update.notNewer", message: "" };
  const [next, effects] = step(checking, { kind: "found", release: "0.1.0", refusal }, pace, at(0));
  expect(next.phase).toBe("idle");
  expect(effects).toEqual([{ kind: "want", isWanted: false }]);
});

test("a refusal waits for a newer release or a person, and is told", () => {
  const checking: Life = { phase: "checking", wish: "install", failures: 0 };
  const refusal = { code: "update.failedBefore", message: "" };
  const [next] = step(checking, { kind: "found", release: "0.2.0", refusal }, pace, at(0));
  expect(next).toMatchObject({ phase: "refused", because: refusal, release: "0.2.0" });
  const [again, effects] = step(next, { kind: "asked", request: { kind: "retry" } }, pace, at(0));
  expect(again).toMatchObject({ phase: "checking", wish: "install" });
  expect(effects).toEqual([{ kind: "forgetFailures" }, { kind: "want", isWanted: true }, { kind: "check" }]);
});

test("no number of failures ends an installation: the pauses grow to an hour, and progress shortens them again", () => {
  let life: Life = { phase: "installing", wish: "install", release: "0.2.0", failures: 0 };
  let longest = 0;
  for (let failures = 0; failures < 40; failures++) {
    const [waiting] = step(life, { kind: "failed", trouble, isFinal: false, hasAdvanced: false }, pace, at(0, 0.999));
    longest = dueAtMs(waiting)!;
    const [checking] = step(waiting, { kind: "tick" }, pace, at(longest));
    expect(checking).toMatchObject({ phase: "checking", wish: "install" });
    [life] = step(checking, { kind: "found", release: "0.2.0" }, pace, at(0));
    expect(life.phase).toBe("installing");
  }
  expect(longest).toBeGreaterThan(3590_000);
  expect(longest).toBeLessThanOrEqual(3600_000);
  const [waiting] = step(life, { kind: "failed", trouble, isFinal: false, hasAdvanced: true }, pace, at(0, 0.999));
  expect(dueAtMs(waiting)).toBeLessThanOrEqual(60_000);
});

test("a request for a check does not end an installation that waits", () => {
  const life: Life = { phase: "waiting", wish: "install", because: trouble, failures: 3, againAtMs: 9_000 };
  const [next] = step(life, { kind: "asked", request: { kind: "check" } }, pace, at(0));
  expect(next).toMatchObject({ phase: "checking", wish: "install" });
});

test("an installation, a restart and a trial are not disturbed by requests", () => {
  const busy: Life[] = [
    { phase: "installing", wish: "install", release: "0.2.0", failures: 0 },
    { phase: "restarting", release: "0.2.0" },
    { phase: "trying", release: "0.2.0" },
  ];
  for (const life of busy) {
    for (const kind of ["check", "now", "prepare", "restart", "retry", "back", "install"] as const) {
      expect(step(life, { kind: "asked", request: { kind } }, pace, at(0))).toEqual([life, []]);
    }
    expect(step(life, { kind: "asked", request: { kind: "seen" } }, pace, at(0))).toEqual([
      life,
      [{ kind: "acknowledge" }],
    ]);
  }
});

const event: fc.Arbitrary<Event> = fc.oneof(
  fc.constant<Event>({ kind: "tick" }),
  fc.constant<Event>({ kind: "installed" }),
  fc
    .constantFrom("check", "now", "prepare", "restart", "retry", "seen", "back", "install")
    .map((kind): Event => ({ kind: "asked", request: { kind } as never })),
  fc.constantFrom("0.2.0", "0.3.0").map((version): Event => ({ kind: "asked", request: { kind: "prepare", version } })),
  fc.boolean().map((isVerified): Event => ({ kind: "prepared", release: "0.2.0", isVerified })),
  fc.constant<Event>({ kind: "verified" }),
  fc.constantFrom(undefined, "update.notNewer", "update.failedBefore").map(
    (code): Event => ({
      kind: "found",
      release: "0.2.0",
      ...(code !== undefined && { refusal: { code, message: "" } }),
    }),
  ),
  fc
    .record({ isFinal: fc.boolean(), hasAdvanced: fc.boolean() })
    .map((how): Event => ({ kind: "failed", trouble, ...how })),
);

test("after any events exactly one thing is under way, or a time is set for the next", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(event, fc.nat(10_000_000), fc.double({ min: 0, max: 0.99, noNaN: true }))),
      (events) => {
        let life: Life = idle;
        let underWay = 0;
        let now = 0;
        for (const [one, passed, random] of events) {
          now += passed;
          const answersWork = ["found", "failed", "installed", "verified"].includes(one.kind);
          if (answersWork && underWay === 0) continue;
          if (one.kind === "found" && life.phase !== "checking") continue;
          if (one.kind === "installed" && life.phase !== "installing") continue;
          if (one.kind === "verified" && life.phase !== "verifying") continue;
          if (answersWork) underWay -= 1;
          const [next, effects] = step(life, one, pace, { now, random });
          life = next;
          const works = ["check", "install", "verify", "restart", "goBack"];
          underWay += effects.filter(({ kind }) => works.includes(kind)).length;
          expect(underWay).toBe(dueAtMs(life) === undefined ? 1 : 0);
          expect(dueAtMs(life) ?? 0).toBeLessThanOrEqual(now + 1.25 * pace.checkEveryMs);
        }
      },
    ),
  );
});

test("what the owner's settings forbid for now is tried again after a time that fits the reason, and never counts as a failure", () => {
  const installing: Life = { phase: "installing", wish: "install", release: "0.2.0", failures: 5 };
  const minutes = ["update.outsideWindow", "update.metered", "update.tooDear"].map((code) => {
    const because = { code, message: "" };
    const failed: Event = { kind: "failed", trouble: because, isFinal: false, hasAdvanced: false };
    const [life, effects] = step(installing, failed, pace, at(0));
    expect(life).toMatchObject({ phase: "waiting", wish: "install", because, failures: 0, release: "0.2.0" });
    expect(effects).toEqual([]);
    return dueAtMs(life)! / 60_000;
  });
  expect(minutes).toEqual([10, 60, 360]);
});

test("a request to go back ends what waits, and a refusal is told", () => {
  const waiting: Life = { phase: "waiting", wish: "install", because: trouble, failures: 3, againAtMs: 9_000 };
  for (const life of [idle, waiting]) {
    const [returning, effects] = step(life, { kind: "asked", request: { kind: "back" } }, pace, at(0));
    expect(returning).toEqual({ phase: "returning" });
    expect(effects).toEqual([{ kind: "want", isWanted: false }, { kind: "goBack" }]);
    const nothing = { code: "update.nothingBack", message: "" };
    const [refused] = step(
      returning,
      { kind: "failed", trouble: nothing, isFinal: true, hasAdvanced: false },
      pace,
      at(0),
    );
    expect(refused).toMatchObject({ phase: "refused", because: nothing });
  }
});

test("a request to go back, or from a folder, during a check is carried out when the check is over, however it ends", () => {
  for (const [kind, effect] of [
    ["back", { kind: "goBack" }],
    ["install", { kind: "check", in: "folder" }],
  ] as const) {
    const [checking, none] = step(
      { phase: "checking", wish: "install", failures: 0 },
      { kind: "asked", request: { kind } },
      pace,
      at(0),
    );
    expect(none).toEqual([]);
    const ends: Event[] = [
      { kind: "found", release: "0.2.0" },
      { kind: "failed", trouble, isFinal: false, hasAdvanced: false },
    ];
    for (const end of ends) expect(step(checking, end, pace, at(0))[1]).toContainEqual(effect);
  }
});

const ready: Life = { phase: "ready", release: "0.2.0", checkAtMs: 9_000 };
const prepare = (version?: string): Event => ({
  kind: "asked",
  request: { kind: "prepare", ...(version !== undefined && { version }) },
});
const restart: Event = { kind: "asked", request: { kind: "restart" } };

test("whoever names a release that is not newer hears so", () => {
  const [checking] = step(idle, prepare("0.1.0"), pace, at(0));
  const refusal = { code: "update.notNewer", message: "" };
  const [next] = step(checking, { kind: "found", release: "0.1.0", named: "0.1.0", refusal }, pace, at(0));
  expect(next).toMatchObject({ phase: "refused", because: refusal, release: "0.1.0" });
});

test("what was asked to be prepared is installed as far as it goes without a restart, and starts when somebody says so", () => {
  const [checking, effects] = step(idle, prepare("0.2.0"), pace, at(0));
  expect(effects).toEqual([
    { kind: "want", isWanted: true, prepare: { version: "0.2.0" } },
    { kind: "check", version: "0.2.0" },
  ]);
  const [installing] = step(checking, { kind: "found", release: "0.2.0", named: "0.2.0" }, pace, at(0));
  const [life, none] = step(installing, { kind: "installed" }, pace, at(0));
  expect(life).toMatchObject({ phase: "ready", release: "0.2.0" });
  expect(none).toEqual([]);
  const [restarting, last] = step(life, restart, pace, at(0));
  expect(restarting).toMatchObject({ phase: "restarting", release: "0.2.0" });
  // Not the wish for an installation: after a power cut nothing restarts by itself.
  expect(last).toEqual([{ kind: "want", isWanted: true, prepare: { version: "0.2.0" } }, { kind: "restart" }]);
});

test("a restart that fails leaves the release ready and says why, or prepares it again if boot control refuses its slot", () => {
  const [restarting] = step(ready, restart, pace, at(0));
  const failed = (code: string): Event => ({
    kind: "failed",
    trouble: { code, message: "" },
    isFinal: true,
    hasAdvanced: false,
  });
  const [still] = step(restarting, failed("update.busy"), pace, at(0));
  expect(still).toMatchObject({ phase: "ready", release: "0.2.0", because: { code: "update.busy" } });
  const [again, effects] = step(restarting, failed("boot.slotNotReady"), pace, at(0));
  expect(again).toMatchObject({ phase: "checking", wish: "prepare", version: "0.2.0" });
  expect(effects).toEqual([{ kind: "check", version: "0.2.0" }]);
});

test("a restart into nothing is refused, and disturbs nothing that is under way or waits", () => {
  const [refused, effects] = step(idle, restart, pace, at(0));
  expect(refused).toMatchObject({ phase: "refused", because: { code: "update.notReady", hint: expect.any(String) } });
  expect(effects).toEqual([]);
  const waiting: Life = { phase: "waiting", wish: "install", because: trouble, failures: 3, againAtMs: 9_000 };
  expect(step(waiting, restart, pace, at(0))).toEqual([waiting, []]);
  const checking: Life = { phase: "checking", wish: "install", failures: 0 };
  expect(step(checking, restart, pace, at(0))).toEqual([checking, []]);
});

test("a restart into another release than the one that is ready is refused, and changes nothing", () => {
  const into = (version: string): Event => ({ kind: "asked", request: { kind: "restart", version } });
  expect(step(ready, into("0.2.0"), pace, at(0))[1]).toContainEqual({ kind: "restart" });
  const [still, effects] = step(ready, into("0.3.0"), pace, at(0));
  expect(still).toMatchObject({ phase: "ready", release: "0.2.0", because: { code: "update.notReady" } });
  expect(effects).toEqual([]);
  const [checking] = step(ready, { kind: "tick" }, pace, at(9_000));
  expect(step(checking, into("0.3.0"), pace, at(0))).toEqual([checking, []]);
  const verifying: Life = { phase: "verifying", release: "0.2.0" };
  expect(step(verifying, into("0.3.0"), pace, at(0))).toEqual([verifying, []]);
});

test("a check while something is ready changes nothing, and a restart that is asked for meanwhile follows it", () => {
  const found: Event = { kind: "found", release: "0.3.0" };
  const failed: Event = { kind: "failed", trouble, isFinal: false, hasAdvanced: false };
  for (const end of [found, failed]) {
    const [checking] = step(ready, { kind: "tick" }, pace, at(9_000));
    expect(checking).toMatchObject({ phase: "checking", wish: "look" });
    expect(step(checking, end, pace, at(0))[0]).toMatchObject({ phase: "ready", release: "0.2.0" });
    const [asked] = step(checking, restart, pace, at(0));
    expect(step(asked, end, pace, at(0))[1]).toContainEqual({ kind: "restart" });
  }
});

test("preparing what is ready needs no check, the newest one a check, and another one is written", () => {
  const refused: Life = { ...ready, because: { code: "update.busy", message: "" } };
  for (const life of [ready, refused]) expect(step(life, prepare("0.2.0"), pace, at(0))[0]).toEqual(ready);
  const [checking] = step(ready, prepare(), pace, at(0));
  expect(step(checking, { kind: "found", release: "0.2.0" }, pace, at(0))[0]).toMatchObject({ phase: "ready" });
  expect(step(checking, { kind: "found", release: "0.3.0" }, pace, at(0))[1]).toEqual([{ kind: "install" }]);
  const [now] = step(ready, { kind: "asked", request: { kind: "now" } }, pace, at(0));
  expect(step(now, { kind: "found", release: "0.2.0" }, pace, at(0))[1]).toEqual([{ kind: "restart" }]);
});

test("preparing does not shorten the pause after a trial without a verdict, and who wants the update now does", () => {
  const because = { code: "trial.noGossip", message: "" };
  const waiting: Life = { phase: "waiting", wish: "prepare", version: "0.2.0", because, failures: 0, againAtMs: 9_000 };
  expect(step(waiting, prepare("0.2.0"), pace, at(0))[0]).toEqual(waiting);
  expect(step(waiting, { kind: "asked", request: { kind: "now" } }, pace, at(0))[0]).toMatchObject({
    phase: "checking",
  });
});

test("who names another release during a check gets that one", () => {
  const [one] = step(idle, prepare("0.2.0"), pace, at(0));
  const [other] = step(one, prepare("0.3.0"), pace, at(0));
  const [again, effects] = step(other, { kind: "found", release: "0.2.0", named: "0.2.0" }, pace, at(0));
  expect(effects).toEqual([{ kind: "check", version: "0.3.0" }]);
  expect(step(again, { kind: "found", release: "0.3.0", named: "0.3.0" }, pace, at(0))[0]).toMatchObject({
    phase: "installing",
    release: "0.3.0",
  });
});

test("somebody who wants an update now gets the restart as well, and preparing does not take it away", () => {
  const preparing: Life = { phase: "installing", wish: "prepare", release: "0.2.0", failures: 0 };
  const [installing] = step(preparing, { kind: "asked", request: { kind: "now" } }, pace, at(0));
  expect(step(installing, { kind: "installed" }, pace, at(0))[1]).toEqual([{ kind: "restart" }]);
  const waiting: Life = { phase: "waiting", wish: "install", because: trouble, failures: 3, againAtMs: 9_000 };
  expect(step(waiting, prepare("0.2.0"), pace, at(0))[0]).toMatchObject({ phase: "checking", wish: "install" });
});

test("what an earlier boot made ready is verified first, and prepared again if it is not whole", () => {
  const prepared = (isVerified: boolean): Event => ({ kind: "prepared", release: "0.2.0", isVerified });
  expect(step(idle, prepared(true), pace, at(0))[0]).toMatchObject({ phase: "ready", release: "0.2.0" });
  const [verifying, effects] = step(idle, prepared(false), pace, at(0));
  expect(effects).toEqual([{ kind: "verify" }]);
  const [restarting] = step(verifying, restart, pace, at(0));
  expect(step(restarting, { kind: "verified" }, pace, at(0))[1]).toContainEqual({ kind: "restart" });
  expect(step(verifying, { kind: "verified" }, pace, at(0))[0]).toMatchObject({ phase: "ready", release: "0.2.0" });
  const [asked, wanted] = step(verifying, { kind: "asked", request: { kind: "now" } }, pace, at(0));
  expect(wanted).toEqual([{ kind: "want", isWanted: true }]);
  expect(step(asked, { kind: "verified" }, pace, at(0))[0]).toMatchObject({ phase: "checking", wish: "install" });
  const damaged: Event = { kind: "failed", trouble, isFinal: false, hasAdvanced: false };
  for (const one of [verifying, restarting]) {
    const [again, effects] = step(one, damaged, pace, at(0));
    expect(again).toMatchObject({ phase: "checking", wish: "prepare" });
    expect(effects).toEqual([{ kind: "check", version: "0.2.0" }]);
  }
});
