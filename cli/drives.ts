// Drives as the command line shows them, and the last question before one loses what is on it.
import { createInterface } from "node:readline/promises";
import { type Drive, megabytes } from "../image/flash/drives.ts";
import { HamletError } from "../system/error.ts";
import { type Command, usageError } from "./command.ts";

export async function confirmLoss(command: Command, drive: Drive, isStdinTaken = false): Promise<void> {
  if (isStdinTaken || !process.stdin.isTTY || !process.stderr.isTTY) {
    const why = isStdinTaken ? "the image comes by stdin" : "there is no terminal to ask at";
    throw usageError(command, `${why}: --yes is missing, all on ${describeDrive(drive)} would be lost`);
  }
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await asking.question(`All on ${describeDrive(drive)} will be lost. Write? Type yes: `);
    if (answer.trim() === "yes") return;
  } finally {
    asking.close();
  }
  throw new HamletError("flash.stopped", `nothing was written to ${drive.path}`, { hint: "only yes writes" });
}

export function describeDrive({ path, sizeBytes, model, bus, contents }: Drive): string {
  const holds = contents.length > 0 ? `, holds ${contents.join(", ")}` : ", holds no file system";
  return `${path} (${megabytes(sizeBytes)} ${[model, bus].filter(Boolean).join(", ")}${holds})`;
}

export function drivesTable(drives: readonly Drive[]): string {
  if (drives.length === 0) return "no drives were found";
  const rows = drives.map(({ path, sizeBytes, bus, isRemovable, model, refused, contents }) => [
    path,
    megabytes(sizeBytes),
    bus + (isRemovable ? ", removable" : ""),
    model,
    refused ? `refused: ${refused.message}` : contents.join(", "),
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** As `--list --json` gives it. */
export const shownDrive = ({ nodes: _, marks: __, ...drive }: Drive) => drive;
