// Shows drives on the command line, and asks before one is overwritten.
import { type Drive, megabytes } from "../../../image/flash/drives.ts";
import type { Command } from "../../terminal/command.ts";
import { confirm, type Terminal } from "../../terminal/confirm.ts";
import { table } from "../../terminal/table.ts";

/** Throws what `confirm` throws. */
export async function confirmLoss(
  command: Command,
  drive: Drive,
  { isStdinTaken = false, terminal }: { isStdinTaken?: boolean; terminal?: Terminal } = {},
): Promise<void> {
  const wanted = {
    lost: `Everything on ${describeDrive(drive)} will be lost.`,
    question: "Write? Type yes",
    answer: "yes",
    otherwise: `nothing was written to ${drive.path}`,
    silentBecause: isStdinTaken ? "the image comes from stdin" : undefined,
  };
  await confirm(command, wanted, terminal);
}

export function describeDrive({ path, sizeBytes, model, bus, contents }: Drive): string {
  const holds = contents.length > 0 ? `, holds ${contents.join(", ")}` : ", holds no file system";
  return `${path} (${megabytes(sizeBytes)} ${[model, bus].filter(Boolean).join(", ")}${holds})`;
}

export function drivesTable(drives: readonly Drive[]): string[] {
  if (drives.length === 0) return ["no drives found"];
  const rows = drives.map(({ path, sizeBytes, bus, isRemovable, model, refused, contents }) => [
    path,
    megabytes(sizeBytes),
    bus + (isRemovable ? ", removable" : ""),
    model,
    refused ? `refused: ${refused.message}` : contents.join(", "),
  ]);
  return table(rows);
}

/** As `--list --json` prints it. */
export const shownDrive = ({ nodes: _, marks: __, ...drive }: Drive) => drive;
