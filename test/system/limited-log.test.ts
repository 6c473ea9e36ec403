import fc from "fast-check";
import { expect, test } from "vitest";
import { limitLog } from "../../system/limited-log.ts";

const minute = 60_000;
function make() {
  const lines: string[] = [];
  const note = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  let now = 0;
  let timers: { task: () => void; at: number }[] = [];
  const log = limitLog(
    { debug: note("debug"), info: note("info"), warn: note("warn"), error: note("error") },
    { clock: { monotonic: () => now }, later: (task, ms) => timers.push({ task, at: now + ms }) },
  );
  const pass = (ms: number) => {
    now += ms;
    const due = timers.filter(({ at }) => at <= now);
    timers = timers.filter(({ at }) => at > now);
    for (const { task } of due) task();
  };
  return { log, lines, pass };
}

test("the first line of a kind is logged at once, the others as a count", () => {
  const { log, lines, pass } = make();
  for (let n = 0; n < 702; n++) log.error(`request from fe80::${n}%eth0: it broke off`);
  log.warn("something else");
  expect(lines).toEqual(["error request from fe80::0%eth0: it broke off", "warn something else"]);
  pass(minute);
  expect(lines.slice(2)).toEqual(["error 701 more of: request from … it broke off"]);
  log.error("request from fe80::9%eth0: it broke off");
  expect(lines.at(-1)).toBe("error request from fe80::9%eth0: it broke off");
});

test("a kind that occurs once is logged once", () => {
  const { log, lines, pass } = make();
  log.error("alone");
  pass(minute);
  pass(minute);
  expect(lines).toEqual(["error alone"]);
});

test("any messages from outside give only a few lines a minute", () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 2_000, size: "max" }), (messages) => {
      const { log, lines, pass } = make();
      for (const message of messages) log.warn(message);
      pass(minute);
      expect(lines.length).toBeLessThanOrEqual(2 * 33);
    }),
    { numRuns: 50 },
  );
});
