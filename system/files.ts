// State on disk: written whole or not at all, and read through a schema.
import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { z } from "zod";
import { errnoOf, HamletError } from "./error.ts";
import { isTooDeep } from "./json-depth.ts";
import { type HowToRead, readJsonFile } from "./json-file.ts";

/** Replaces `path` by `content`, in a folder that is made if need be. Throws `file.full` or the system's error. */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  how?: { mode?: number },
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await replaceFile(path, (file) => file.writeFile(content), how);
}

/**
 * Replaces `path` by what `write` puts into a new file: fsync, rename, fsync of the folder. If it rejects, all is as before.
 * Throws `file.full` or the system's error.
 */
export async function replaceFile(
  path: string,
  write: (file: FileHandle) => Promise<void>,
  { mode = 0o600 } = {},
): Promise<void> {
  // New and by chance: whoever may write to this folder too has not laid a link in its place.
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
    await syncPath(dirname(path));
  } catch (cause) {
    // What stopped the writing is the news, not what the removal says after it.
    await rm(temporary, { force: true }).catch(() => {});
    if (errnoOf(cause) === "ENOSPC" || errnoOf(cause) === "EDQUOT") {
      throw new HamletError("file.full", `no space left to write ${path}`, {
        cause,
        hint: "free space on this disk; what was there before is intact",
      });
    }
    throw cause;
  }
}

export const writeJson = (path: string, value: unknown, options?: { mode?: number }): Promise<void> =>
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`, options);

/** Reads JSON through `schema`; undefined if the file is not there. Throws `file.invalid` with what is wrong in it, and where. */
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

/** The JSON in `text`, or undefined, also for what is nested too deep: whoever calls holds a schema against it anyway. */
export function parseJson(text: string): unknown {
  if (isTooDeep(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Nobody mends more at once, and a file that is anyone's may have thousands. */
const shownIssues = 8;
const shownChars = 200;

/** What a schema refused, in one line: `mesh.listenPort: expected number`. */
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
