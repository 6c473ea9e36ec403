// The recovery sheet: root and successor key on paper. Each line has its own check digits, so that a typing error is found in its line.
import { createHash } from "node:crypto";
import { HamletError } from "../../system/error.ts";
import { decodeBase32, encodeBase32 } from "../trust/base32.ts";
import { type SigningKey, seedOf, signingKeyFromSeed } from "../trust/keys.ts";
import { type NeighborhoodId, neighborhoodIdOf } from "../trust/names.ts";

export type RecoverySheet = { name: string; id: NeighborhoodId; root: SigningKey; successor: SigningKey };

const lineBytes = 8; // with 2 bytes of check that makes 16 letters: four groups of four
const linesPerKey = 32 / lineBytes;

export function printRecoverySheet({ name, id, root, successor }: RecoverySheet): string {
  return [
    "HAMLET RECOVERY SHEET",
    "",
    `Neighborhood: ${name}`,
    `Id: ${id}`,
    "",
    "Anyone who has this sheet controls the neighborhood. Print it, keep the paper safe from",
    "fire and from other people, then delete this file. To use it, on any computer:",
    "",
    "    hamlet init <folder> --recover <this sheet, typed into a file>",
    "",
    "Root key",
    ...keyLines("R", root),
    "",
    "Successor key",
    ...keyLines("S", successor),
    "",
    "Only a-z and 2-7 occur. Capitals, spaces and hyphens make no difference.",
    "",
  ].join("\n");
}

/** Reads a sheet that somebody has typed. Throws `neighborhood.badRecoverySheet`, which names every wrong line. */
export function readRecoverySheet(text: string): RecoverySheet {
  const rows = new Map<string, string>();
  for (const row of text.split(/\r?\n/)) {
    const [, label, letters] = /^\s*([RS][1-4])\s*[:.]?\s+(.+)$/i.exec(row) ?? [];
    if (label && letters) rows.set(label.toUpperCase(), letters.toLowerCase().replaceAll(/[\s-]/g, ""));
  }
  const wrong: string[] = [];
  const seedFrom = (key: string): Buffer =>
    Buffer.concat(
      labels(key).map((label) => {
        const bytes = readLine(label, rows.get(label) ?? "");
        if (!bytes) wrong.push(rows.has(label) ? label : `${label} (missing)`);
        return bytes ?? Buffer.alloc(0);
      }),
    );
  const [rootSeed, successorSeed] = [seedFrom("R"), seedFrom("S")];
  if (wrong.length > 0) throw badSheet(`wrong on the sheet: ${wrong.join(", ")}`);

  const root = signingKeyFromSeed(rootSeed.toString("base64url"));
  const successor = signingKeyFromSeed(successorSeed.toString("base64url"));
  const id = neighborhoodIdOf(root.publicKey, successor.publicKey);
  const written = /^\s*Id:\s*(\S+)/im.exec(text)?.[1]?.toLowerCase();
  if (written !== undefined && written !== id)
    throw badSheet("these keys do not belong to the neighborhood on the sheet");
  const name = /^\s*Neighborhood:\s*(.+?)\s*$/im.exec(text)?.[1] ?? "";
  return { name, id, root, successor };
}

const labels = (key: string): string[] => Array.from({ length: linesPerKey }, (_, index) => `${key}${index + 1}`);

function keyLines(key: string, signingKey: SigningKey): string[] {
  const seed = Buffer.from(seedOf(signingKey), "base64url");
  return labels(key).map((label, index) => {
    const bytes = seed.subarray(index * lineBytes, (index + 1) * lineBytes);
    const letters = encodeBase32(Buffer.concat([bytes, checkOf(label, bytes)]));
    return `  ${label}  ${letters.match(/.{4}/g)!.join(" ")}`;
  });
}

function readLine(label: string, letters: string): Buffer | undefined {
  const decoded = decodeBase32(letters);
  if (decoded?.length !== lineBytes + 2) return undefined;
  const bytes = Buffer.from(decoded.subarray(0, lineBytes));
  return checkOf(label, bytes).equals(decoded.subarray(lineBytes)) ? bytes : undefined;
}

/** Includes the label, so that a line in the wrong place is wrong. */
const checkOf = (label: string, bytes: Buffer): Buffer =>
  createHash("sha256").update(`hamlet recovery ${label}`).update(bytes).digest().subarray(0, 2);

const badSheet = (message: string): HamletError =>
  new HamletError("neighborhood.badRecoverySheet", message, {
    hint: "compare these lines with the paper, letter by letter; 0, 1, 8 and 9 never occur",
  });
