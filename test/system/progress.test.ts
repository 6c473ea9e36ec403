import fc from "fast-check";
import { expect, test } from "vitest";
import { sizeFor } from "../../cli/commands/lab/console.ts";
import { makeProgress, progressText } from "../../system/progress.ts";
import { columnsOf, drawableColumns } from "../../system/terminal.ts";

test("a progress line shows percent, rate and time left", () => {
  expect(progressText("writing root", 50e6, 100e6, 2)).toBe("writing root: 50 %  25 MB/s  2 s left");
});

test("progress: what was done before the program looked does not count in the rate; more is shown where there is room", () => {
  const more = { doneBefore: 40e6, more: "fetched 1 of 2 MB" };
  const line = "writing root: 50 %  5 MB/s  10 s left";
  expect(progressText("writing root", 50e6, 100e6, 2, 1000, more)).toBe(`${line}  fetched 1 of 2 MB`);
  expect(progressText("writing root", 50e6, 100e6, 2, 40, more)).toBe(line);
});

/** The output on a terminal of `columns` for a stage of 5 steps, with a long time between them. */
function drawnOn(columns: number | undefined, name: string): string[] {
  const written: string[] = [];
  let nowMs = 0;
  const sink = { write: (text: string) => written.push(text), isTTY: true, ...(columns !== undefined && { columns }) };
  const progress = makeProgress(sink, () => nowMs, false);
  progress.stage(name, 1e9);
  for (let step = 1; step <= 4; step += 1) {
    nowMs += 250;
    progress.at(step * 2e8);
  }
  progress.end();
  return written.join("").split("\r\x1b[K").slice(1);
}

test("progress-zero-columns: a terminal of unknown size gets the same line as one of 80 columns", () => {
  const shown = drawnOn(80, "writing /dev/sdb");
  expect(shown[1]).toBe("writing /dev/sdb: 20 %  800 MB/s  1 s left");
  for (const columns of [0, undefined, Number.NaN, -1]) expect(drawnOn(columns, "writing /dev/sdb")).toEqual(shown);
});

test("progress-zero-columns: at every width the line shows the progress and never wraps", () => {
  const name = fc.oneof(fc.constant("writing /dev/sdb"), fc.string({ maxLength: 200 }));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), name, (columns, stage) => {
      const [first = "", ...steps] = drawnOn(columns, stage);
      expect(first.length).toBeLessThanOrEqual(Math.max(1, columns - 1));
      expect(first).not.toBe("");
      for (const [index, step] of steps.slice(0, 4).entries()) {
        const percent = String(20 * (index + 1));
        expect(step.length).toBeLessThanOrEqual(Math.max(1, columns - 1));
        expect(step).toContain(columns > 2 ? percent : percent[0]);
        if (columns > 3) expect(step).toContain("%");
      }
      // The final line of a stage ends with a line feed.
      expect(steps.at(-1)).toMatch(/: 1\.0 s\n$/);
    }),
  );
});

test("progress-zero-columns: a narrow line drops the name first, then the rate, then the time left, and keeps the percent", () => {
  const at = (columns: number) => progressText("writing /dev/disk/by-id/usb-card", 2e8, 1e9, 0.25, columns);
  expect([40, 25, 20, 12, 5, 3].map(at)).toEqual([
    "writing /de...: 20 %  800 MB/s  1 s left",
    "20 %  800 MB/s  1 s left",
    "20 %  1 s left",
    "20 %",
    "20 %",
    "20%",
  ]);
});

test("progress-zero-columns: a terminal without escape sequences gets the line too, padded with blanks over the previous one", () => {
  const written: string[] = [];
  const progress = makeProgress({ write: (text) => written.push(text), isTTY: true, columns: 0 }, () => 1_000, true);
  progress.stage("writing /dev/sdb", 100);
  progress.at(50);
  progress.end();
  expect(written).toEqual([
    "\rwriting /dev/sdb ...",
    `\r${"writing /dev/sdb: 50 %  0 MB/s"}`,
    `\r${"writing /dev/sdb: 0.0 s".padEnd(30)}`,
    "\n",
  ]);
});

test("progress-zero-columns: control characters in a name do not move the cursor", () => {
  expect(drawnOn(80, "reading a\x1b[2J\nb.img")[0]).toBe("reading a\\u001b[2J\\nb.img ...");
});

test("progress-zero-columns: a console in a device never gets a size of zero", () => {
  expect(sizeFor({})).toEqual({ rows: 24, columns: 80 });
  expect(sizeFor({ rows: 0, columns: 0 })).toEqual({ rows: 24, columns: 80 });
  expect(sizeFor({ rows: 1, columns: 2_000 })).toEqual({ rows: 1, columns: 1_000 });
  expect([1, 2, 80].map((columns) => drawableColumns({ columns }))).toEqual([1, 1, 79]);
  expect(columnsOf({ columns: 132 })).toBe(132);
});
