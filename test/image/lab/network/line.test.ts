import fc from "fast-check";
import { expect, test } from "vitest";
import { makeHub } from "../../../../image/lab/network/hub.ts";
import { arrival, describeLine, LineTerms, makeLine } from "../../../../image/lab/network/line.ts";
import { eventually } from "../../../eventually.ts";

const terms = (given: object) => LineTerms.parse(given);

test("a slow line takes a frame's bits one after the other, each way for itself, and drops what would wait over a second", () => {
  const line = makeLine(terms({ kbit: 256 }), 1_000);
  // 1600 bytes at 256 kbit/s take 50 ms.
  expect([0, 1, 2].map(() => arrival(line, "up", 1_600, 1_000))).toEqual([1_050, 1_100, 1_150]);
  expect(arrival(line, "down", 1_600, 1_000)).toBe(1_050);
  expect(arrival(line, "up", 1_600, 9_000)).toBe(9_050);
  const sent = Array.from({ length: 40 }, () => arrival(line, "down", 1_600, 20_000));
  expect(sent.filter((at) => at !== undefined)).toHaveLength(21);
  expect(arrival(line, "down", 1_600, 22_000)).toBe(22_050);
});

test("a lossy line loses its share of the frames, and the same seed the same ones", () => {
  const lost = (seed: number) => {
    const line = makeLine(terms({ lossPercent: 5, seed }), 0);
    return Array.from({ length: 10_000 }, () => arrival(line, "up", 100, 0) === undefined);
  };
  const share = lost(7).filter(Boolean).length / 10_000;
  expect(share).toBeGreaterThan(0.04);
  expect(share).toBeLessThan(0.06);
  expect(lost(7)).toEqual(lost(7));
  expect(lost(7)).not.toEqual(lost(8));
});

test("a line that drops is dead for the last second of each period", () => {
  const line = makeLine(terms({ dropEveryMs: 5_000 }), 100);
  const isThrough = (atMs: number) => arrival(line, "up", 100, atMs) === atMs;
  expect([100, 4_099, 4_100, 5_099, 5_100, 9_100].map(isThrough)).toEqual([true, true, false, false, true, false]);
});

test("frames never overtake each other, whatever the line", () => {
  const step = fc.record({ bytes: fc.integer({ min: 14, max: 1_600 }), pauseMs: fc.nat({ max: 3_000 }) });
  const anyTerms = fc.record({ kbit: fc.integer({ min: 8, max: 10_000 }), lossPercent: fc.nat({ max: 100 }) });
  fc.assert(
    fc.property(anyTerms, fc.array(step, { maxLength: 50 }), (given, steps) => {
      const line = makeLine(terms(given), 0);
      let [now, last] = [0, 0];
      for (const { bytes, pauseMs } of steps) {
        now += pauseMs;
        const at = arrival(line, "up", bytes, now);
        if (at === undefined) continue;
        if (at < last || at < now || at > now + 1_000 + (bytes * 8) / given.kbit) return false;
        last = at;
      }
      return true;
    }),
  );
});

test.each([{}, { kbit: 0 }, { lossPercent: 101 }, { dropEveryMs: 1_000 }, { kbit: 1, other: 1 }])(
  "%o is no bad line",
  (given) => {
    expect(LineTerms.safeParse(given).success).toBe(false);
  },
);

test("people read what a line is like", () => {
  expect(describeLine(terms({ kbit: 256, lossPercent: 5, dropEveryMs: 5_000 }))).toBe(
    "256 kbit/s, 5 % loss, dead for a second every 5 s",
  );
});

const frame = (text: string) =>
  Buffer.concat([Buffer.from("ffffffffffff52540000000a88b5", "hex"), Buffer.from(text.padEnd(86))]);

test("the hub delays frames of a port with a bad line both ways, keeps their order, and forgets the line when it heals", async () => {
  const hub = makeHub();
  const heard: Record<string, string[]> = { a: [], b: [] };
  const listen = (name: string) => hub.attach(name, (bytes) => heard[name]!.push(bytes.toString("latin1", 14).trim()));
  const send = { a: listen("a"), b: listen("b") };
  // 100 bytes take 20 ms.
  hub.setLine("a", terms({ kbit: 40 }));
  const startedMs = performance.now();
  for (const text of ["one", "two", "three"]) send.a(frame(text));
  send.b(frame("back"));
  expect(heard).toEqual({ a: [], b: [] });
  await eventually(() => expect(heard).toEqual({ a: ["back"], b: ["one", "two", "three"] }), { every: 5 });
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(60);
  hub.setLine("a");
  send.a(frame("at once"));
  expect(heard["b"]!.at(-1)).toBe("at once");
  hub.setLine("a", terms({ lossPercent: 100 }));
  send.a(frame("lost"));
  send.b(frame("lost"));
  hub.setLine("a", terms({ kbit: 1 }));
  send.a(frame("still under way"));
  await hub.close();
  expect(heard).toEqual({ a: ["back"], b: ["one", "two", "three", "at once"] });
});

test("a cable that is pulled while a frame is under way loses it", async () => {
  let now = 0;
  const hub = makeHub(() => now);
  const heard: string[] = [];
  hub.attach("b", (bytes) => heard.push(bytes.toString("latin1", 14).trim()));
  const send = hub.attach("a", () => {});
  hub.setLine("a", terms({ kbit: 40 }));
  send(frame("lost"));
  hub.setCut("a", true);
  now = 20;
  await eventually(() => now++ > 100, { every: 1 });
  hub.setCut("a", false);
  send(frame("kept"));
  now = 200;
  await eventually(() => expect(heard).toEqual(["kept"]));
  await hub.close();
});
