// State on disk: written whole or not at all, read through a schema.
import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { z } from "zod";
import { errnoOf, HamletError } from "./error.ts";
import { isTooDeep } from "./json-depth.ts";
import { type HowToRead, readJsonFile } from "./json-file.ts";

/** Replaces `path` with `content`, and makes its folder if needed. Throws `file.full` or the system's error. */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  how?: { mode?: number },
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await replaceFile(path, (file) => file.writeFile(content), how);
}

/**
 * Replaces `path` with a new file that `write` fills: fsync, rename, fsync of the folder. If `write` rejects, `path` is unchanged.
 * `isNameLater`: the caller flushes the folder itself, once for many files. Throws `file.full` or the system's error.
 */
export async function replaceFile(
  path: string,
  write: (file: FileHandle) => Promise<void>,
  { mode = 0o600, isNameLater = false } = {},
): Promise<void> {
  // A random name, opened with O_EXCL: nobody else who may write to this folder can have put a link there.
  const temporary = `${path}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    if (!isNameLater) await syncPath(dirname(path));
  } catch (cause) {
    // Report what stopped the write, not a failure to remove what it left.
    await rm(temporary, { force: true }).catch(() => {});
    if (errnoOf(cause) === "ENOSPC" || errnoOf(cause) === "EDQUOT") {
      throw new HamletError("file.full", `no space left to write ${path}`, {
        cause,
        hint: "free space on this disk; the old file is intact",
      });
    }
    throw cause;
  }
}

export const writeJson = (path: string, value: unknown, options?: { mode?: number }): Promise<void> =>
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`, options);

/** Reads JSON through `schema`; undefined if there is no such file. Throws `file.invalid`, which says what is wrong and where. */
export async function readJson<T extends z.ZodType>(
  path: string,
  schema: T,
  how: HowToRead = {},
): Promise<z.infer<T> | undefined> {
  const json = await readJsonFile(path, how);
  if (json === undefined) return undefined;
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new HamletError("file.invalid", `${path} is not valid: ${explainIssues(parsed.error)}`, {
    ...(how.hint !== undefined && { hint: how.hint }),
  });
}

/** The JSON in `text`; undefined if it is no JSON or nests too deep. Callers check the value against a schema anyway. */
export function parseJson(text: string): unknown {
  if (isTooDeep(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Nobody corrects more at once, and a hostile file may have thousands. */
const shownIssues = 8;
const shownChars = 200;

/** A schema's complaints in one line: `mesh.listenPort: expected number`. */
export function explainIssues(error: z.ZodError): string {
  const { issues } = error;
  const shown = issues.slice(0, shownIssues).map(({ path, message }) => {
    const line = `${path.map(String).join(".") || "(whole)"}: ${message}`;
    return line.length > shownChars ? `${line.slice(0, shownChars)}...` : line;
  });
  return [...shown, ...(issues.length > shown.length ? [`and ${issues.length - shown.length} more`] : [])].join("; ");
}

/** Waits until a file's content, or the names in a folder, survive a power cut. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
