// `hamlet/report.txt` on a card's first partition: what is wrong, since when, and how to fix it, for a person who puts the card into a
// computer. A block of fixed size that the image reserves, overwritten in place like the provision file.
// Pure.
import type { Problem } from "./problems.ts";

export const reportBlockBytes = 4 << 10;
export const reportPath = "hamlet/report.txt";

export type Report = {
  /** The device's name, or its board if it has none. */
  name: string;
  board: string;
  release: string;
  neighborhood?: string | undefined;
  /** Adoption code, once the device has a key. */
  code?: string | undefined;
  problems: readonly Problem[];
};

/** The content before the first boot. */
export const freshReport = (): Buffer =>
  block(["Hamlet: this card has not started a device yet.", "", "If anything goes wrong, the device writes it here."]);

/** Exactly one block. The same problems give the same bytes, so that an unchanged report is not written again. */
export function reportBlock({ name, board, release, neighborhood, code, problems }: Report): Buffer {
  const whose = neighborhood === undefined ? "" : ` of ${neighborhood}`;
  return block([
    `Hamlet: ${name}${whose} (${board}, release ${release})`,
    "",
    ...(problems.length === 0
      ? ["All is well."]
      : [problems.length === 1 ? "Something is wrong:" : `${problems.length} things are wrong:`]),
    ...problems.flatMap((problem, index) => ["", ...entry(problem, `${index + 1}. `)]),
    ...(code === undefined ? [] : ["", `Adoption code: ${code}`]),
  ]);
}

function entry({ code, message, hint, since }: Problem, number: string): string[] {
  return [`${number}${message}`, `   To fix it: ${hint}`, `   Since ${timeOf(since)}; code ${code}`];
}

/** A Pi has no clock battery: before it reaches a time server, its dates mean nothing. */
const timeOf = (ms: number): string =>
  ms < Date.UTC(2025, 0)
    ? "a time when its clock was not set"
    : `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC`;

/** ASCII and CR LF, so that the simplest editor of any computer shows it correctly. */
function block(lines: readonly string[]): Buffer {
  const plain = lines.map((line) => line.replaceAll(/[^ -~]/g, "?"));
  const bytes = Buffer.from(`${plain.join("\r\n")}\r\n`, "latin1").subarray(0, reportBlockBytes);
  const room = reportBlockBytes - bytes.length;
  return Buffer.concat([bytes, Buffer.from(" ".repeat(room % 2) + "\r\n".repeat(room >> 1), "latin1")]);
}
