// How long members have been gone: the count begins anew whenever one is heard again, however short that was.
import { expect, test } from "vitest";
import type { State as Liveness } from "../../../agent/cluster/news.ts";
import { countAbsence, takeLiveness } from "../../../agent/membership/absence.ts";
import type { State } from "../../../agent/membership/state.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

class Watch {
  nowMs = 0;
  state = {
    liveness: new Map(),
    members: new Map(["attic", "cellar"].map((id) => [id, { name: id, absentMs: 0 }])),
  } as unknown as State;

  sees(cellar: Liveness, attic: Liveness = "alive") {
    const [state, effects] = takeLiveness(
      this.state,
      new Map([
        ["attic", attic],
        ["cellar", cellar],
      ]),
      this.now,
    );
    this.state = state;
    return effects;
  }

  pass(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end; this.nowMs += minuteMs) {
      [this.state] = countAbsence(this.state, this.now);
    }
  }

  get now() {
    return { monotonicMs: this.nowMs, wallMs: 0 };
  }

  get absentMs() {
    return this.state.members.get("cellar")!.absentMs;
  }
}

test("a member that was gone for long and is back for minutes only is gone for minutes when it goes again", () => {
  const watch = new Watch();
  watch.sees("alive");
  watch.pass(20 * minuteMs);
  watch.sees("dead");
  watch.pass(30 * hourMs);
  expect(watch.absentMs).toBeGreaterThan(29 * hourMs);
  // On disk too: its days are saved, and a restart would bring them back.
  expect(watch.sees("alive")).toContainEqual({ kind: "save", file: "roster" });
  watch.pass(5 * minuteMs);
  watch.sees("dead");
  watch.pass(2 * minuteMs);
  expect(watch.absentMs).toBeLessThanOrEqual(10 * minuteMs);
});

test("an absence is as long as the member has been gone, however long ago the last count was", () => {
  const watch = new Watch();
  watch.sees("alive");
  watch.pass(9 * minuteMs);
  watch.sees("dead");
  watch.pass(hourMs);
  expect(watch.absentMs).toBeGreaterThan(49 * minuteMs);
  expect(watch.absentMs).toBeLessThanOrEqual(hourMs);
  // One that has gone says goodbye late: it is gone since it was.
  watch.sees("left");
  watch.pass(hourMs);
  expect(watch.absentMs).toBeGreaterThan(109 * minuteMs);
  // The computer slept for eighteen minutes, and the member went at their end.
  const late = new Watch();
  late.sees("alive");
  late.pass(10 * minuteMs + 1);
  late.nowMs += 18 * minuteMs;
  late.sees("dead");
  late.pass(minuteMs + 1);
  expect(late.absentMs).toBeLessThanOrEqual(minuteMs);
});

test("while nobody is heard no absence grows, and after it only by what was gone since", () => {
  const watch = new Watch();
  watch.sees("alive");
  watch.pass(10 * minuteMs + 1);
  watch.sees("dead", "dead");
  watch.pass(5 * hourMs);
  expect(watch.absentMs).toBe(0);
  watch.sees("dead", "alive");
  watch.pass(hourMs);
  expect(watch.absentMs).toBeLessThanOrEqual(70 * minuteMs);
});

test("what is heard of a member that was never gone is nothing to save", () => {
  const watch = new Watch();
  watch.sees("alive");
  watch.pass(20 * minuteMs);
  const { members } = watch.state;
  expect(watch.sees("alive")).toEqual([]);
  expect(watch.state.members).toBe(members);
});

test("nobody is told of the dead that are no members any more", () => {
  const watch = new Watch();
  watch.sees("alive");
  watch.sees("dead");
  const [, effects] = takeLiveness(watch.state, new Map([["attic", "alive"]]), watch.now);
  expect(effects).toContainEqual({ kind: "clear", code: "member.dead", subject: "cellar" });
});
