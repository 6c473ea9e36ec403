// What the updater does next.
import fc from "fast-check";
import { expect, test } from "vitest";
import { dueAtMs, type Event, type Life, step } from "../../../ota/updater/step.ts";

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
  let life: Life = { phase: "installing", release: "0.2.0", failures: 0 };
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
    { phase: "installing", release: "0.2.0", failures: 0 },
    { phase: "restarting", release: "0.2.0" },
    { phase: "trying", release: "0.2.0" },
  ];
  for (const life of busy) {
    for (const kind of ["check", "now", "retry", "back", "install"] as const) {
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
    .constantFrom("check", "now", "retry", "seen", "back", "install")
    .map((kind): Event => ({ kind: "asked", request: { kind } as never })),
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
          const answersWork = one.kind === "found" || one.kind === "failed" || one.kind === "installed";
          if (answersWork && underWay === 0) continue;
          if (one.kind === "found" && life.phase !== "checking") continue;
          if (one.kind === "installed" && life.phase !== "installing") continue;
          if (answersWork) underWay -= 1;
          const [next, effects] = step(life, one, pace, { now, random });
          life = next;
          const works = ["check", "install", "restart", "goBack"];
          underWay += effects.filter(({ kind }) => works.includes(kind)).length;
          expect(underWay).toBe(dueAtMs(life) === undefined ? 1 : 0);
          expect(dueAtMs(life) ?? 0).toBeLessThanOrEqual(now + 1.25 * pace.checkEveryMs);
        }
      },
    ),
  );
});

test("what the owner's settings forbid for now is tried again after a time that fits the reason, and never counts as a failure", () => {
  const installing: Life = { phase: "installing", release: "0.2.0", failures: 5 };
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
