// How long each file of a test run took: a table for people, and lines of JSON like those of the long results.
export type FileSeconds = {
  file: string;
  project: string;
  seconds: number;
  passed: number;
  failed: number;
  skipped: number;
};
/** A failed test and the messages of its errors. */
export type Failure = { title: string; messages: string[] };
export type Counts = Pick<FileSeconds, "passed" | "failed" | "skipped">;

export const totalOf = (rows: Counts[]): Counts => ({
  passed: sum(rows.map((row) => row.passed)),
  failed: sum(rows.map((row) => row.failed)),
  skipped: sum(rows.map((row) => row.skipped)),
});

const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);

/** The slowest file first, then each project's total, then the wall-clock time of the run, in which files run in parallel. */
export function secondsTable(rows: FileSeconds[], wallSeconds: number): string {
  const files = slowestFirst(rows).map((row) => [show(row.seconds), row.project, ...counts(row), row.file]);
  const projects = [...new Set(rows.map((row) => row.project))].map((project): string[] => {
    const own = rows.filter((row) => row.project === project);
    return [
      show(sum(own.map((row) => row.seconds))),
      project,
      ...counts(totalOf(own)),
      own.length === 1 ? "1 file" : `${own.length} files`,
    ];
  });
  const all = [show(wallSeconds), "", ...counts(totalOf(rows)), "the whole run, by the clock"];
  const heading = ["seconds", "project", "passed", "failed", "skipped", "file"];
  return align([heading, ...files, heading.map(() => ""), ...projects, all]);
}

const slowestFirst = (rows: FileSeconds[]): FileSeconds[] => rows.toSorted((a, b) => b.seconds - a.seconds);
const show = (seconds: number): string => seconds.toFixed(1);
const counts = ({ passed, failed, skipped }: Counts): string[] => [passed, failed, skipped].map(String);

function align(rows: string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const isText = (column: number) => column === 1 || column === 5;
  const cell = (text: string, column: number) =>
    isText(column) ? text.padEnd(widths[column]!) : text.padStart(widths[column]!);
  return rows.map((row) => row.map(cell).join("  ").trimEnd()).join("\n");
}

export const secondsLines = (rows: FileSeconds[], run: { commit: string; date: string; cores: number }): string =>
  slowestFirst(rows)
    .map((row) => `${JSON.stringify({ ...row, ...run })}\n`)
    .join("");

/** Repeats the failures at the end of a run, for readers who see only the end of a remote machine's log. */
export const failureLines = (failures: Failure[]): string =>
  failures
    .map(({ title, messages }) => [`FAILED ${title}`, ...messages.map((message) => indented(message, 12))].join("\n"))
    .join("\n");

const indented = (text: string, most: number): string => {
  const lines = text.split("\n");
  const rest = lines.length > most ? ["..."] : [];
  return [...lines.slice(0, most), ...rest].map((line) => `    ${line}`).join("\n");
};

/** The last line of a run, on its own so that a program can read it. */
export const summaryLine = (rows: Counts[]): string => {
  const { passed, failed, skipped } = totalOf(rows);
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
};
