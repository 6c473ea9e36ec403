// The publisher's keys: one file each, sealed with the passphrase.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { SigningKey } from "../../provisioning/trust/keys.ts";
import { openSealedKeys, SealedKey, sealKeys } from "../../provisioning/trust/sealed-key.ts";
import { HamletError } from "../../system/error.ts";
import { readJson, writeJson } from "../../system/files.ts";

const keysFolder = (folder: string): string => join(folder, "keys");
const suffix = ".key";

/** `keys` by name. */
export async function writeKeys(
  folder: string,
  keys: ReadonlyMap<string, SigningKey>,
  passphrase: string,
): Promise<void> {
  const sealed = await sealKeys(
    [...keys].map(([role, key]) => ({ role, key })),
    passphrase,
  );
  for (const one of sealed) await writeJson(join(keysFolder(folder), `${one.role}${suffix}`), one);
}

/** The keys that are in the folder and that the passphrase opens. Throws `ota.noKey` if there are some and it opens none. */
export async function openKeys(folder: string, passphrase: string): Promise<Map<string, SigningKey>> {
  const names = (await readdir(keysFolder(folder)).catch(() => [])).filter((name) => name.endsWith(suffix)).sort();
  const files: SealedKey[] = [];
  for (const name of names) {
    const file = await readJson(join(keysFolder(folder), name), SealedKey, { hint: "restore a copy of it" });
    if (file) files.push(file);
  }
  const opened = await openSealedKeys(files, passphrase);
  const keys = new Map(files.flatMap(({ role }, index) => (opened[index] ? [[role, opened[index]] as const] : [])));
  if (files.length > 0 && keys.size === 0) {
    throw new HamletError("ota.noKey", `the passphrase opens none of the keys in ${keysFolder(folder)}`, {
      hint: "try again; if it is lost, devices have to be flashed again with an image of a new repository",
    });
  }
  return keys;
}
