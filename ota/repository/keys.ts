// The publisher's keys: one file each, sealed with the passphrase.
import { readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import type { SigningKey } from "../../provisioning/trust/keys.ts";
import { openSealedKeys, SealedKey, sealKeys } from "../../provisioning/trust/sealed-key.ts";
import { HamletError } from "../../system/error.ts";
import { readJson, syncPath, writeJson } from "../../system/files.ts";

const keysFolder = (folder: string): string => join(folder, "keys");
const suffix = ".key";
/** A key that takes the place of another when the metadata that names it is placed. */
const nextSuffix = ".next.key";

export type KeyFile = { path: string; name: string; isNext: boolean; sealed: SealedKey };

/** Throws `file.invalid`. */
export async function readSealed(folder: string): Promise<KeyFile[]> {
  const files: KeyFile[] = [];
  const found = await readdir(keysFolder(folder)).catch(() => []);
  for (const file of found.filter((one) => one.endsWith(suffix)).sort()) {
    const path = join(keysFolder(folder), file);
    const sealed = await readJson(path, SealedKey, { hint: "restore a copy of it" });
    const isNext = file.endsWith(nextSuffix);
    if (sealed) files.push({ path, name: file.slice(0, -(isNext ? nextSuffix : suffix).length), isNext, sealed });
  }
  return files;
}

/** `anchor`: sha256 of the repository's first root. */
export async function writeNextKey(
  folder: string,
  { name, key, anchor }: { name: string; key: SigningKey; anchor: string },
  passphrase: string,
): Promise<void> {
  const [sealed] = await sealKeys([{ role: name, key, anchor }], passphrase);
  await writeJson(join(keysFolder(folder), `${name}${nextSuffix}`), sealed);
}

/** Replaces the keys whose successors `isInForce` says that the metadata names. */
export async function settleKeys(folder: string, isInForce: (publicKey: string) => boolean): Promise<void> {
  for (const { path, name, isNext, sealed } of await readSealed(folder)) {
    if (!isNext || !isInForce(sealed.publicKey)) continue;
    await rename(path, join(keysFolder(folder), `${name}${suffix}`));
    await syncPath(keysFolder(folder));
  }
}

/** `keys` by name. */
export async function writeKeys(
  folder: string,
  keys: ReadonlyMap<string, SigningKey>,
  anchor: string,
  passphrase: string,
): Promise<void> {
  const sealed = await sealKeys(
    [...keys].map(([role, key]) => ({ role, key, anchor })),
    passphrase,
  );
  for (const one of sealed) await writeJson(join(keysFolder(folder), `${one.role}${suffix}`), one);
}

/** The keys that are in the folder and that the passphrase opens, and the first root that they belong to. Throws `ota.noKey` if there are some and it opens none. */
export async function openKeys(
  folder: string,
  passphrase: string,
): Promise<{ keys: SigningKey[]; anchor: string | undefined }> {
  const files = await readSealed(folder);
  const opened = await openSealedKeys(
    files.map(({ sealed }) => sealed),
    passphrase,
  );
  const keys = opened.filter((key) => key !== undefined);
  if (files.length > 0 && keys.length === 0) {
    throw new HamletError("ota.noKey", `the passphrase opens none of the keys in ${keysFolder(folder)}`, {
      hint: "try again; if it is lost, devices have to be flashed again with an image of a new repository",
    });
  }
  const anchorOf = (index: number) => files[index]!.sealed.anchor;
  const anchor = opened.map((key, index) => key && anchorOf(index)).find((one) => one !== undefined);
  // A key of another repository, if somebody has put it here, signs nothing.
  const own = opened.filter((_, index) => (anchorOf(index) ?? anchor) === anchor);
  return { keys: own.filter((key) => key !== undefined), anchor };
}
