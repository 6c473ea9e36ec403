// JSON that a person may have written: whoever made a slip hears in which file, where, and what stands there.
import { createReadStream } from "node:fs";
import { errnoOf, HamletError } from "./error.ts";
import { isTooDeep, maxJsonDepth } from "./json-depth.ts";
import { findJsonSlip } from "./json-slip.ts";
import { decodeText } from "./text.ts";

export type ParsedJson = { json: unknown } | { trouble: string };
export type HowToRead = {
  /** No object may have one name twice: of two settings the first would be lost without a word. */
  isUnique?: boolean;
  /** What to do about a file that is not as it should be. */
  hint?: string;
};

/** `trouble` completes a sentence that begins with the file's name. */
export function parseJsonBytes(bytes: Uint8Array, { isUnique = false }: HowToRead = {}): ParsedJson {
  const decoded = decodeText(bytes);
  if ("trouble" in decoded) return decoded;
  const { text, hasMark } = decoded;
  if (text.trim() === "") return { trouble: "is empty" };
  if (hasMark) {
    return { trouble: "is not JSON: line 1, column 1: a byte order mark stands there; save it as UTF-8 without one" };
  }
  if (isTooDeep(text)) return { trouble: `is nested deeper than ${maxJsonDepth} levels` };
  try {
    const json: unknown = JSON.parse(text);
    const double = isUnique ? findJsonSlip(text, { isUnique }) : undefined;
    return double === undefined ? { json } : { trouble: `says two things: ${double}` };
  } catch {
    return { trouble: `is not JSON: ${findJsonSlip(text) ?? "it is nested too deep"}` };
  }
}

/** The JSON in `path`; undefined if the file is not there. Throws `file.unreadable` or `file.invalid`. */
export async function readJsonFile(path: string, how: HowToRead = {}): Promise<unknown> {
  const bytes = await readWhole(path).catch((cause: unknown) => {
    if (errnoOf(cause) === "ENOENT") return undefined;
    throw coded(path, cause);
  });
  if (bytes === undefined) return undefined;
  const parsed = parseJsonBytes(bytes, how);
  if ("json" in parsed) return parsed.json;
  throw new HamletError("file.invalid", `${path} ${parsed.trouble}`, {
    hint: how.hint ?? "mend it in an editor, or put back a copy of it",
  });
}

/** A text that a command was given, without a byte order mark. Throws `file.unreadable` or `file.invalid`. */
export async function readTextFile(path: string): Promise<string> {
  const decoded = decodeText(await readBytes(path));
  if ("text" in decoded) return decoded.text;
  throw new HamletError("file.invalid", `${path} ${decoded.trouble}`, { hint: "look whether it is the right file" });
}

/** Throws `file.unreadable` or `file.invalid`. */
export async function readBytes(path: string): Promise<Buffer> {
  return await readWhole(path).catch((cause: unknown) => {
    throw coded(path, cause);
  });
}

/** Nothing that is read whole comes near that; a device such as /dev/zero has no end. */
const maxBytes = 64 << 20;

async function readWhole(path: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  for await (const piece of createReadStream(path)) {
    pieces.push(piece);
    sizeBytes += piece.length;
    if (sizeBytes > maxBytes)
      throw new HamletError("file.invalid", `${path} has more than ${maxBytes >> 20} MB`, {
        hint: "look whether it is the right file",
      });
  }
  return Buffer.concat(pieces);
}

const coded = (path: string, cause: unknown): HamletError =>
  cause instanceof HamletError ? cause : unreadable(path, cause);

function unreadable(path: string, cause: unknown): HamletError {
  const reasons: Record<string, [what: string, hint: string]> = {
    ENOENT: ["is not there", "look at the path"],
    ENOTDIR: ["is not there: what the path takes for a folder is a file", "look at the path"],
    EISDIR: ["is a folder, and a file is needed", "name a file in it"],
    EACCES: ["may not be read by this user", "run as its owner or as root, or name another file"],
    EPERM: ["may not be read by this user", "run as its owner or as root, or name another file"],
  };
  const [what, hint] = reasons[errnoOf(cause) ?? ""] ?? [
    "cannot be read",
    "put back a copy of it: its disk may be damaged",
  ];
  return new HamletError("file.unreadable", `${path} ${what}`, { hint, cause });
}
