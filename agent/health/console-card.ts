// The text on a device's own screen and serial line: its name and phase, and the address of its page, also as a QR code.
// Pure.
import { encode } from "uqr";
import { bracketed } from "../../system/address.ts";
import type { PublicStatus, Status } from "../api/schema.ts";

export type Card = PublicStatus & {
  neighborhood?: string | undefined;
  /** Neighbors that wait for adoption: whoever stands here compares the code with the one that the neighbor shows. */
  waiting: Status["pending"];
  /** Addresses on the links, best first. */
  addresses: readonly string[];
  pagePort: number;
};

function describePhase(phase: PublicStatus["phase"], neighborhood = "a neighborhood"): string {
  switch (phase) {
    case "unprovisioned":
      return "belongs to no neighborhood yet";
    case "pending":
      return `asks to join ${neighborhood}`;
    case "member":
      return `is a member of ${neighborhood}`;
  }
}

const maxWaiting = 4;

/** ASCII and half blocks, at most 80 columns; without warnings and neighbors that wait it fits the 25 lines of the oldest screens. */
export function consoleCard(card: Card): string {
  const { name, board, release, phase, code, neighborhood, addresses, waiting, warnings } = card;
  const urls = card.pagePort === 0 ? [] : addresses.map((address) => pageUrl(address, card.pagePort));
  return [
    "",
    `Hamlet: ${name} (${board}, release ${release}) ${describePhase(phase, neighborhood)}`,
    ...(phase === "unprovisioned" ? [] : [`adoption code: ${code}`]),
    ...(urls.length === 0
      ? ["no network yet"]
      : urls.slice(0, 3).map((url, index) => `${index === 0 ? "page: " : "or:   "}${url}`)),
    ...waiting.slice(0, maxWaiting).map((other) => `waiting for adoption: ${other.name}, code ${other.code}`),
    ...(waiting.length > maxWaiting ? [`... and ${waiting.length - maxWaiting} more: hamlet status`] : []),
    ...warnings.slice(0, 4).flatMap((warning) => [`! ${warning.message}`, `  next: ${warning.hint}`]),
  ]
    .map(plain)
    .concat(urls[0] === undefined ? [] : halfBlocks(urls[0]), "")
    .join("\n");
}

/** For example `http://192.168.1.7/`. */
function pageUrl(address: string, port: number): string {
  return `http://${bracketed(address)}${port === 80 ? "" : `:${port}`}/`;
}

/** Puts two rows of modules into a line of text. Draws the light ones: terminals are dark, and readers want dark on light. */
function halfBlocks(text: string): string[] {
  const { data, size } = encode(text, { ecc: "L", border: 2 });
  const isLight = (row: number, column: number) => data[row]?.[column] === false;
  return Array.from({ length: Math.ceil(size / 2) }, (_, line) =>
    Array.from({ length: size }, (_, column) => {
      const [upper, lower] = [isLight(2 * line, column), isLight(2 * line + 1, column)];
      return upper && lower ? "█" : upper ? "▀" : lower ? "▄" : " ";
    }).join(""),
  );
}

/** Replaces control characters, because a warning may quote anything and a terminal would obey them. */
const plain = (line: string): string => line.replaceAll(/[^ -~]/g, "?").slice(0, 160);
