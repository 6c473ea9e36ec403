// Replaces a key, or makes that of a new board. Until the metadata that names the new one is placed, both are there: the new one signs beside the old.
import { boardNames } from "../../image/boards.ts";
import { generateSigningKey } from "../../provisioning/trust/keys.ts";
import { HamletError } from "../../system/error.ts";
import type { Current } from "./current.ts";
import type { Repository } from "./folder.ts";
import { readSealed, writeNextKey } from "./keys.ts";
import { locked } from "./lock.ts";
import { keyIdOf, makeBoard, renewed, withBoard, withKey } from "./metadata.ts";
import { place } from "./place.ts";
import { allKeys } from "./roles.ts";
import type { Lacking } from "./signatures.ts";
import type { Change } from "./staged.ts";

/** `name`: of the key's file. Throws `ota.noKey` if there is no such key in this folder. */
export async function rotateKey(
  repository: Repository,
  name: string,
  { passphrase, now }: { passphrase: string; now: number },
): Promise<Lacking[]> {
  return await locked(repository, async () => {
    const { folder, current } = repository;
    const old = (await readSealed(folder)).find((one) => one.name === name && !one.isNext)?.sealed.publicKey;
    const key = generateSigningKey();
    const change: Change = new Map();
    if (old !== undefined && keyIdOf(old) in current.root.signed.keys) {
      change.set("root", withKey("root", current.root, old, key.publicKey, now));
      if (name === "targets") change.set("targets", renewed("targets", current.targets, now));
    } else {
      const board = current.boards.get(name);
      if (board ? !isNamed(current, old) : !boardNames.includes(name)) throw unknown(folder, name);
      const { targets } = current;
      // A board that this Hamlet knows and the one that made the repository did not gets its first key.
      if (board) change.set("targets", withKey("targets", targets, old!, key.publicKey, now));
      else change.set("targets", withBoard(targets, name, key.publicKey, now));
      change.set(name, board ? renewed(name, board, now) : makeBoard(name, [], 1, now));
    }
    await writeNextKey(folder, name, key, passphrase);
    return (await place({ ...repository, keys: [...repository.keys, key] }, change, now)).lacking;
  });
}

const isNamed = ({ targets }: Current, publicKey: string | undefined): boolean =>
  publicKey !== undefined && keyIdOf(publicKey) in (targets.signed.delegations?.keys ?? {});

const unknown = (folder: string, name: string): HamletError =>
  new HamletError("ota.noKey", `${folder} has no key ${name} that the repository names`, {
    hint: `the keys of a repository are ${allKeys().join(", ")}`,
  });
