// State that must survive a damaged file: each file has a checksum and a copy, so damage is noticed and costs nothing. A damaged file is
// moved aside, never overwritten. A file of an earlier release has no checksum and is accepted as it is; that release also reads our
// files, because it ignores keys that it does not know.
import { hash } from "node:crypto";
import { lstat, readFile, rename, rm } from "node:fs/promises";
import type { z } from "zod";
import { errnoOf, HamletError } from "./error.ts";
import { parseJson, writeFileAtomic } from "./files.ts";

/** `isLost` unless the copy was intact. `texts`: the contents of the damaged files, for a caller that can recover some of it. */
export type Damage = { path: string; aside: string; isLost: boolean; texts: string[] };
export type Kept<T> = { value: T | undefined; damage: Damage | undefined };

export const copyOf = (path: string): string => `${path}.copy`;
/** Where a damaged file is moved: the name says whether anything was lost. */
export const asideOf = (path: string) => ({ recovered: `${path}.damaged`, lost: `${path}.lost` });

const sumOf = (value: object): string => hash("sha256", JSON.stringify(value), "base64url").slice(0, 22);

export const sealed = (value: object): string => `${JSON.stringify({ ...value, sum: sumOf(value) }, null, 2)}\n`;

/** The value in `text` without its checksum; undefined if it is not what was written. */
export function unsealed(text: string): unknown {
  const json = parseJson(text);
  if (typeof json !== "object" || json === null) return json;
  if (!("sum" in json)) return hasBentSum(json) ? undefined : json;
  const { sum, ...value } = json;
  return sum === sumOf(value) ? value : undefined;
}

/** A checksum whose name is damaged must not make the file pass for one of an earlier release, which has none. */
function hasBentSum(json: object): boolean {
  const [name = "", value] = Object.entries(json).at(-1) ?? [];
  return name.length <= 3 && typeof value === "string" && /^[\w-]{22}$/.test(value);
}

/** `isCopied: false` for state that is written often and can be had again. Throws `file.full` or the system's error. */
export async function keep(path: string, value: object, { isCopied = true } = {}): Promise<void> {
  const text = sealed(value);
  await writeFileAtomic(path, text);
  if (isCopied) await writeFileAtomic(copyOf(path), text);
}

type Found<T> = { text: string; value: T | undefined; hasSum: boolean };

/**
 * The value kept at `path`, or from its copy if `path` is damaged; undefined if there is none or neither can be read. `isUsable` checks
 * what a schema cannot. Moves damaged files aside and restores the pair. Throws `file.unreadable` if this user may not read it.
 */
export async function readKept<T extends z.ZodType>(
  path: string,
  schema: T,
  isUsable: (value: z.infer<T>) => Promise<boolean> = async () => true,
): Promise<Kept<z.infer<T>>> {
  const [main, copy] = [await find(path, schema, isUsable), await find(copyOf(path), schema, isUsable)];
  const whole = main?.value !== undefined ? main : copy?.value !== undefined ? copy : undefined;
  const wrong = [main, copy].filter((one) => one && one.value === undefined).map((one) => one!.text);
  const isLost = whole === undefined;
  const aside = isLost ? asideOf(path).lost : asideOf(path).recovered;
  if (main && main.value === undefined) await putAside(path, aside);
  if (copy && copy.value === undefined)
    await putAside(copyOf(path), main?.value === undefined ? `${aside}.copy` : aside);
  if (whole && (main !== whole || !copy?.value || !whole.hasSum)) {
    // On a full disk the intact one is still there.
    await keep(path, whole.value as object).catch(() => {});
  }
  const isDamaged = wrong.length > 0 || (main === undefined && whole !== undefined);
  const damage = isDamaged ? { path, aside, isLost, texts: wrong } : await damageBefore(path);
  return { value: whole?.value, damage };
}

/** For a file that must exist but is missing together with its copy. */
export async function markLost(path: string): Promise<Damage> {
  const aside = asideOf(path).lost;
  // On a full disk it is reported only this once.
  await writeFileAtomic(aside, "").catch(() => {});
  return { path, aside, isLost: true, texts: [] };
}

/** Reported at each start until somebody removes the file. */
async function damageBefore(path: string): Promise<Damage | undefined> {
  const { lost, recovered } = asideOf(path);
  for (const [aside, isLost] of [[lost, true] as const, [recovered, false] as const]) {
    const isThere = await lstat(aside).then(
      () => true,
      () => false,
    );
    if (isThere) return { path, aside, isLost, texts: [] };
  }
  return undefined;
}

async function find<T extends z.ZodType>(
  path: string,
  schema: T,
  isUsable: (value: z.infer<T>) => Promise<boolean>,
): Promise<Found<z.infer<T>> | undefined> {
  let text = "";
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return undefined;
    // An unreadable sector, or a folder instead of a file, counts as damage.
    if (errnoOf(cause) !== "EIO" && errnoOf(cause) !== "EISDIR") {
      throw new HamletError("file.unreadable", `cannot read ${path}`, { cause });
    }
  }
  const parsed = schema.safeParse(unsealed(text));
  const isWhole = parsed.success && (await isUsable(parsed.data));
  return { text, value: isWhole ? parsed.data : undefined, hasSum: text.includes('"sum"') };
}

async function putAside(path: string, aside: string): Promise<void> {
  await rm(aside, { recursive: true, force: true }).catch(() => {});
  await rename(path, aside).catch(() => {});
}
