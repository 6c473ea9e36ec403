// Replaces a key. Until the metadata that names the new one is placed, both are there: the new one signs beside the old.
import { generateSigningKey } from "../../provisioning/trust/keys.ts";
import { HamletError } from "../../system/error.ts";
import type { Repository } from "./folder.ts";
import { readSealed, writeNextKey } from "./keys.ts";
import { locked } from "./lock.ts";
import { keyIdOf, renewed, withKey } from "./metadata.ts";
import { type Change, type Lacking, place } from "./place.ts";
import { allKeys } from "./roles.ts";

/** `name`: of the key's file. Throws `ota.noKey` if there is no such key in this folder. */
export async function rotateKey(
  repository: Repository,
  name: string,
  { passphrase, now }: { passphrase: string; now: number },
): Promise<Lacking[]> {
  return await locked(repository, async () => {
    const { folder, current } = repository;
    const old = (await readSealed(folder)).find((one) => one.name === name && !one.isNext);
    if (!old) {
      throw new HamletError("ota.noKey", `${folder} has no key ${name}`, {
        hint: `the keys of a repository are ${allKeys().join(", ")}`,
      });
    }
    const key = generateSigningKey();
    const [from, to] = [old.sealed.publicKey, key.publicKey];
    const change: Change = new Map();
    if (keyIdOf(from) in current.root.signed.keys) {
      change.set("root", withKey("root", current.root, from, to, now));
      if (name === "targets") change.set("targets", renewed("targets", current.targets, now));
    } else {
      const board = current.boards.get(name);
      if (!board || !(keyIdOf(from) in (current.targets.signed.delegations?.keys ?? {}))) {
        throw new HamletError("ota.noKey", `the repository does not name the key ${name} of this folder`, {
          hint: "restore a copy of the folder: the key was replaced elsewhere",
        });
      }
      change.set("targets", withKey("targets", current.targets, from, to, now));
      change.set(name, renewed(name, board, now));
    }
    await writeNextKey(folder, name, key, passphrase);
    return await place({ ...repository, keys: [...repository.keys, key] }, change, now);
  });
}
