// Shared by the benchmarks: medians, a table for people, a line of JSON for programs.
import { cpus } from "node:os";

/** With an even number of values, takes the upper middle one, so that the result is a measured value. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new RangeError("no values");
  return middle;
}

export type Figure = {
  /** The name of the measurement, as in the README. */
  name: string;
  value: number;
  unit: string;
  /** Number of measurements behind the median. */
  runs: number;
  /** The same measurement of another program in the same run. */
  peer?: { name: string; value: number };
};

export function printFigures(title: string, figures: readonly Figure[]): void {
  console.log(`\n${title} (${machine()})`);
  for (const { name, value, unit, runs, peer } of figures) {
    const beside = peer ? `   ${peer.name}: ${shown(peer.value)} ${unit}, ratio ${shown(value / peer.value)}` : "";
    console.log(`  ${name.padEnd(58)} ${shown(value).padStart(9)} ${unit.padEnd(8)} median of ${runs}${beside}`);
  }
  console.log(JSON.stringify({ title, figures }));
}

export const machine = (): string =>
  `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}, Node ${process.versions.node}`;

const shown = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
