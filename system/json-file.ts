// JSON that a person may have written: an error names the file, the place and what is wrong there.
import { createReadStream } from "node:fs";
import { errnoOf, HamletError } from "./error.ts";
import { isTooDeep, maxJsonDepth } from "./json-depth.ts";
import { findJsonSlip } from "./json-slip.ts";
import { decodeText } from "./text.ts";

export type ParsedJson = { json: unknown } | { trouble: string };
export type HowToRead = {
  /** Refuses an object with one name twice: JSON.parse would silently drop the first of two settings. */
  isUnique?: boolean;
  /** What to do about a bad file. */
  hint?: string;
};

/** `trouble` completes a sentence that begins with the file's name. */
export function parseJsonBytes(bytes: Uint8Array, { isUnique = false }: HowToRead = {}): ParsedJson {
  const decoded = decodeText(bytes);
  if ("trouble" in decoded) return decoded;
  const { text, hasMark } = decoded;
  if (text.trim() === "") return { trouble: "is empty" };
  if (hasMark) {
    return { trouble: "is not JSON: line 1, column 1: it begins with a byte order mark; save it as UTF-8 without one" };
  }
  if (isTooDeep(text)) return { trouble: `nests deeper than ${maxJsonDepth} levels` };
  try {
    const json: unknown = JSON.parse(text);
    const double = isUnique ? findJsonSlip(text, { isUnique }) : undefined;
    return double === undefined ? { json } : { trouble: `is ambiguous: ${double}` };
  } catch {
    return { trouble: `is not JSON: ${findJsonSlip(text) ?? "it nests too deep"}` };
  }
}

/** The JSON in `path`; undefined if there is no such file. Throws `file.unreadable` or `file.invalid`. */
export async function readJsonFile(path: string, how: HowToRead = {}): Promise<unknown> {
  const bytes = await readWhole(path).catch((cause: unknown) => {
    if (errnoOf(cause) === "ENOENT") return undefined;
    throw coded(path, cause);
  });
  if (bytes === undefined) return undefined;
  const parsed = parseJsonBytes(bytes, how);
  if ("json" in parsed) return parsed.json;
  throw new HamletError("file.invalid", `${path} ${parsed.trouble}`, {
    hint: how.hint ?? "correct it in an editor, or restore a copy",
  });
}

/** The text in `path` without a byte order mark. Throws `file.unreadable` or `file.invalid`. */
export async function readTextFile(path: string): Promise<string> {
  const decoded = decodeText(await readBytes(path));
  if ("text" in decoded) return decoded.text;
  throw new HamletError("file.invalid", `${path} ${decoded.trouble}`, { hint: "check that it is the right file" });
}

/** Throws `file.unreadable` or `file.invalid`. */
export async function readBytes(path: string): Promise<Buffer> {
  return await readWhole(path).catch((cause: unknown) => {
    throw coded(path, cause);
  });
}

/** No file that we read whole is nearly as large; a device such as /dev/zero has no end. */
const maxBytes = 64 << 20;

async function readWhole(path: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  for await (const piece of createReadStream(path)) {
    pieces.push(piece);
    sizeBytes += piece.length;
    if (sizeBytes > maxBytes)
      throw new HamletError("file.invalid", `${path} has more than ${maxBytes >> 20} MB`, {
        hint: "check that it is the right file",
      });
  }
  return Buffer.concat(pieces);
}

const coded = (path: string, cause: unknown): HamletError =>
  cause instanceof HamletError ? cause : unreadable(path, cause);

function unreadable(path: string, cause: unknown): HamletError {
  const reasons: Record<string, [what: string, hint: string]> = {
    ENOENT: ["does not exist", "check the path"],
    ENOTDIR: ["does not exist: a part of the path is a file, not a folder", "check the path"],
    EISDIR: ["is a folder, not a file", "name a file in it"],
    EACCES: ["is not readable by this user", "run as its owner or as root, or name another file"],
    EPERM: ["is not readable by this user", "run as its owner or as root, or name another file"],
  };
  const [what, hint] = reasons[errnoOf(cause) ?? ""] ?? ["cannot be read", "restore a copy: the disk may be damaged"];
  return new HamletError("file.unreadable", `${path} ${what}`, { hint, cause });
}
