// A long job's progress line: stage, percent, rate and time left.
// A terminal gets one line that is redrawn; anything else gets one line when a stage begins and one when it ends.
import { printable } from "./printable.ts";
import { drawableColumns } from "./terminal.ts";

export type Progress = {
  /**
   * Ends the stage before and begins a new one. `total` and `at` are in bytes; `doneBefore` is what the stage had reached before this
   * program looked, and says nothing of the rate.
   */
  stage(name: string, total?: number, doneBefore?: number): void;
  /** `more` is shown behind the rest if there is room. */
  at(done: number, more?: string): void;
  end(): void;
};

export type Sink = { write(text: string): unknown; isTTY?: boolean; columns?: number };

export function makeProgress(
  sink: Sink = process.stderr,
  now: () => number = () => performance.now(),
  isDumb = process.env["TERM"] === "dumb",
): Progress {
  let current:
    | { name: string; total: number | undefined; doneBefore: number; startedMs: number; drawnMs: number }
    | undefined;
  const draw = makeDraw(sink, isDumb);
  const finish = () => {
    if (!current) return;
    const tookS = (now() - current.startedMs) / 1000;
    const line = `${current.name}: ${tookS.toFixed(1)} s`;
    if (sink.isTTY) draw(line);
    sink.write(sink.isTTY ? "\n" : `${line}\n`);
    current = undefined;
  };
  return {
    stage(name, total, doneBefore = 0) {
      finish();
      // A path may contain control characters.
      const plain = printable(name);
      current = { name: plain, total, doneBefore, startedMs: now(), drawnMs: 0 };
      const columns = drawableColumns(sink);
      if (sink.isTTY) draw(fitted([`${plain} ...`, `${plain.slice(0, Math.max(0, columns - 3))}...`], columns));
      else sink.write(`${plain} ...\n`);
    },
    at(done, more = "") {
      if (!current?.total || !sink.isTTY || now() - current.drawnMs < 200) return;
      current.drawnMs = now();
      const { name, total, startedMs, doneBefore } = current;
      const elapsedS = (now() - startedMs) / 1000;
      draw(progressText(name, done, total, elapsedS, drawableColumns(sink), { doneBefore, more }));
    },
    end: finish,
  };
}

export const silentProgress: Progress = { stage() {}, at() {}, end() {} };

/** Draws over the line before. On a terminal without escape sequences blanks cover the rest of it. */
function makeDraw(sink: Sink, isDumb: boolean): (line: string) => void {
  let drawn = 0;
  return (line) => {
    sink.write(isDumb ? `\r${line.padEnd(drawn)}` : `\r\x1b[K${line}`);
    drawn = line.length;
  };
}

/**
 * `writing root: 42 %  93 MB/s  3 s left`; `done` and `total` in bytes. If that is too long for `columns`, the name is shortened
 * first and the time left dropped next; the percent stays.
 */
export function progressText(
  name: string,
  done: number,
  total: number,
  elapsedS: number,
  columns = 1000,
  { doneBefore = 0, more = "" } = {},
): string {
  const rate = elapsedS > 0 ? (done - doneBefore) / elapsedS : 0;
  const left = rate > 0 ? `  ${Math.ceil((total - done) / rate)} s left` : "";
  const percent = Math.floor((100 * done) / total);
  const what = `${percent} %  ${(rate / 1e6).toFixed(0)} MB/s${left}`;
  const extra = more && [`${name}: ${what}  ${printable(more)}`];
  const room = columns - what.length - "...: ".length;
  const named = room >= 8 ? [`${name.slice(0, room)}...: ${what}`] : [];
  return fitted(
    [...extra, `${name}: ${what}`, ...named, what, `${percent} %${left}`, `${percent} %`, `${percent}%`],
    columns,
  );
}

/** The first line that fits, or else the beginning of the last. */
const fitted = (lines: string[], columns: number): string =>
  lines.find((line) => line.length <= columns) ?? (lines.at(-1) ?? "").slice(0, columns);
