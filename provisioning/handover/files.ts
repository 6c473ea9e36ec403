// Root's functions to read and write by path, on `data` and on the boot partition. All of them go through the guarded folder, so that no
// caller has to know which folder belongs to another user. A file for the agent is made in root's own folder and moved over when complete.
import { basename, dirname, join } from "node:path";
import type { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { explainIssues } from "../../system/files.ts";
import { copyOf, sealed, unsealed } from "../../system/kept.ts";
import { Folder, type NewFile, type Owner, refused } from "./folder.ts";

/** Identity, standing, requests, problems: each is a few kilobytes. */
const maxJsonBytes = 1 << 20;

export async function isThere(path: string): Promise<boolean> {
  await using folder = await Folder.open(dirname(path));
  return (await folder?.isThere(basename(path))) ?? false;
}

/** Undefined if there is none. Throws `handover.refused` for all but a regular file of `maxBytes` at most. */
export async function readFrom(path: string, maxBytes: number): Promise<Buffer | undefined> {
  await using folder = await Folder.open(dirname(path));
  return await folder?.read(basename(path), maxBytes);
}

/** The same as text; undefined also for any error. */
export const readTextFrom = (path: string, maxBytes = maxJsonBytes): Promise<string | undefined> =>
  readFrom(path, maxBytes).then(
    (bytes) => bytes?.toString("utf8"),
    () => undefined,
  );

/** Throws `handover.refused`, and `file.invalid` for what `schema` refuses. */
export async function readJsonFrom<T extends z.ZodType>(path: string, schema: T): Promise<z.infer<T> | undefined> {
  return parsed(path, await readFrom(path, maxJsonBytes), schema);
}

/** What was kept at `path`, or its copy if that is damaged or missing. Throws like `readJsonFrom` if neither can be read. */
export async function readKeptFrom<T extends z.ZodType>(path: string, schema: T): Promise<z.infer<T> | undefined> {
  let trouble: unknown;
  for (const at of [path, copyOf(path)]) {
    try {
      const value = await readJsonFrom(at, schema);
      if (value !== undefined) return value;
    } catch (error) {
      trouble ??= error;
    }
  }
  if (trouble !== undefined) throw trouble;
  return undefined;
}

function parsed<T extends z.ZodType>(path: string, bytes: Buffer | undefined, schema: T): z.infer<T> | undefined {
  if (!bytes) return undefined;
  const result = schema.safeParse(unsealed(bytes.toString("utf8")));
  if (result.success) return result.data;
  throw new HamletError("file.invalid", `${path} is not valid: ${explainIssues(result.error)}`);
}

/** Only what root itself wrote, in a folder that only root can write to. Throws `handover.refused` for another's. */
export async function readRootsOwn<T extends z.ZodType>(path: string, schema: T): Promise<z.infer<T> | undefined> {
  await using folder = await Folder.open(dirname(path));
  if (!folder) return undefined;
  const own = process.getuid?.();
  const { uid, mode } = await folder.facts();
  if (uid !== own || (mode & 0o022) !== 0) throw refused(folder.path, "is open to others");
  const file = await folder.readWhole(basename(path), maxJsonBytes);
  if (file && file.facts.uid !== own) throw refused(path, "is another's");
  return parsed(path, file?.content, schema);
}

/** In a folder of root's own, created if missing. */
export async function putFile(path: string, content: string | Uint8Array, how: NewFile = {}): Promise<void> {
  await using folder = await Folder.make(dirname(path), { mode: 0o700 });
  await folder.put(basename(path), content, how);
}

export const putJson = (path: string, value: unknown, how: NewFile = {}): Promise<void> =>
  putFile(path, textOf(value), how);

/** With a checksum and a copy, for `readKeptFrom`. */
export async function keepJson(path: string, value: object): Promise<void> {
  for (const at of [path, copyOf(path)]) await putFile(at, sealed(value));
}

export async function removeKept(path: string): Promise<void> {
  for (const at of [copyOf(path), path]) await removeFile(at);
}

/** Into the agent's folder, created if missing: JSON that only the agent's user may read. */
export async function giveJson(path: string, value: unknown, owner: Owner): Promise<void> {
  await using folder = await Folder.make(dirname(path), { mode: 0o700, owner });
  await using workshop = await Folder.make(join(dirname(path), "../root"), { mode: 0o700 });
  await folder.put(basename(path), textOf(value), { owner, workshop });
}

export async function overwriteFile(path: string, content: Uint8Array): Promise<void> {
  await using folder = await Folder.open(dirname(path));
  if (!folder) throw refused(path, "is gone");
  await folder.overwrite(basename(path), content);
}

/** Removes a file, or a folder with its content. Removes a link, not its target. */
export async function removeFile(path: string): Promise<void> {
  await using folder = await Folder.open(dirname(path));
  await folder?.remove(basename(path));
}

const textOf = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
