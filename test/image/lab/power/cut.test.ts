import fc from "fast-check";
import { expect, test } from "vitest";
import { type Cut, cutAfter } from "../../../../image/lab/power/cut.ts";
import type { LogEntry } from "../../../../image/lab/power/write-log.ts";

const sectors = 24;
const sector = 512;
/** Data of the log: its place is its content, so that each sector of the disk tells which write it came from. */
const entriesOf = (shapes: Shape[]): LogEntry[] =>
  shapes.map((shape, index) =>
    shape === "flush"
      ? { kind: "flush", at: 0 }
      : {
          kind: "write" as const,
          offset: shape.at * sector,
          length: shape.count * sector,
          dataAt: (index + 1) * 100 * sector,
          isThrough: shape.isThrough,
        },
  );
type Shape = "flush" | { at: number; count: number; isThrough: boolean };
const anyShape: fc.Arbitrary<Shape> = fc.oneof(
  { weight: 1, arbitrary: fc.constant("flush" as const) },
  {
    weight: 5,
    arbitrary: fc.record({
      at: fc.nat({ max: sectors - 8 }),
      count: fc.integer({ min: 1, max: 8 }),
      isThrough: fc.oneof({ weight: 8, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    }),
  },
);

/** Which place of the log each sector holds; undefined: what was there before. */
function diskAfter({ pieces }: Cut): (number | undefined)[] {
  const disk = Array<number | undefined>(sectors).fill(undefined);
  for (const { offset, length, dataAt } of pieces) {
    for (let at = 0; at < length; at += sector) disk[(offset + at) / sector] = dataAt + at;
  }
  return disk;
}
const writesTo = (entries: LogEntry[], index: number) =>
  entries.flatMap((entry) => {
    const at = index * sector;
    if (entry.kind !== "write" || at < entry.offset || at >= entry.offset + entry.length) return [];
    return [{ from: entry.dataAt + at - entry.offset, isThrough: entry.isThrough }];
  });

test("each sector holds what was flushed or written through last, or something written since", () => {
  fc.assert(
    fc.property(fc.array(anyShape, { maxLength: 40 }), fc.integer(), (shapes, seed) => {
      const entries = entriesOf(shapes);
      const cut = cutAfter(entries, { seed });
      const disk = diskAfter(cut);
      const split = entries.findLastIndex(({ kind }) => kind === "flush") + 1;
      const [flushed, since] = [entries.slice(0, split), entries.slice(split)];
      for (const [index, holds] of disk.entries()) {
        const later = writesTo(since, index);
        const last = writesTo(flushed, index).at(-1)?.from;
        const through = later.findLastIndex(({ isThrough }) => isThrough);
        const allowed = [...(through < 0 ? [last] : []), ...later.slice(Math.max(0, through)).map(({ from }) => from)];
        expect(allowed).toContain(holds);
      }
      expect(cut.whole + cut.torn + cut.lost).toBe(since.length);
    }),
  );
});

test("the same seed leaves the same disk; a thousand seeds leave writes whole, torn, lost and out of order", () => {
  const entries = entriesOf(["flush", ...[0, 4, 0, 8].map((at) => ({ at, count: 8, isThrough: false }))]);
  expect(cutAfter(entries, { seed: 7 })).toEqual(cutAfter(entries, { seed: 7 }));
  const disks = Array.from({ length: 1_000 }, (_, seed) => diskAfter(cutAfter(entries, { seed })));
  const [first, third] = [2, 4].map((index) => index * 100 * sector) as [number, number];
  expect(new Set(disks.map((disk) => disk.join())).size).toBeGreaterThan(200);
  expect(disks.some((disk) => disk.every((holds) => holds === undefined))).toBe(true);
  // The write that came first lies over the one that came last.
  expect(disks.some((disk) => disk[1] === first + sector && disk[0] === third)).toBe(true);
  expect(disks.some((disk) => disk[0] === first && disk[1] === undefined)).toBe(true);
});

test("what was flushed is kept in order, whatever came after", () => {
  const one = { at: 0, count: 2, isThrough: false };
  const { pieces, flushedWrites } = cutAfter(entriesOf([one, one, "flush", "flush"]), { seed: 1 });
  expect([flushedWrites, pieces.map(({ dataAt }) => dataAt / sector)]).toEqual([2, [100, 200]]);
});
