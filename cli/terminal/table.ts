// Formats rows of words as a table for a terminal. Pure.
import { printable } from "../../system/printable.ts";

/** Each column as wide as its widest cell, two spaces between; all rows have as many cells as the first. */
export function table(words: readonly (readonly string[])[]): string[] {
  // Escaped characters make a cell longer.
  const rows = words.map((row) => row.map(printable));
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}

/** Indented, with a head. Shows an empty cell as a dash and leaves out a column that is empty in every row. */
export function filledTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const shown = head.map((_, column) => column).filter((column) => rows.some((row) => row[column]));
  const cells = (row: readonly string[], empty = "-") => shown.map((column) => row[column] || empty);
  return table([cells(head, ""), ...rows.map((row) => cells(row))]).map((line) => `  ${line}`);
}
