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

  sees(cellar: Liveness) {
    const [state, effects] = takeLiveness(
      this.state,
      new Map([
        ["attic", "alive"],
        ["cellar", cellar],
      ]),
    );
    this.state = state;
    return effects;
  }

  pass(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end; this.nowMs += minuteMs) {
      [this.state] = countAbsence(this.state, { monotonicMs: this.nowMs, wallMs: 0 });
    }
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

test("what is heard of a member that was never gone is nothing to save", () => {
  const watch = new Watch();
  watch.sees("alive");
  watch.pass(20 * minuteMs);
  const { members } = watch.state;
  expect(watch.sees("alive")).toEqual([]);
  expect(watch.state.members).toBe(members);
});
