// Replaces a key, or makes that of a new board. Until the metadata that names the new one is placed, both are there: the new one signs beside the old.
import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Metadata, Root, Targets } from "@tufjs/models";
import { boardNames } from "../../image/boards.ts";
import { generateSigningKey } from "../../provisioning/trust/keys.ts";
import { HamletError } from "../../system/error.ts";
import type { Current } from "./current.ts";
import { metadataPath, type Repository } from "./folder.ts";
import { settleKeys, writeNextKey } from "./keys.ts";
import { locked } from "./lock.ts";
import { keyIdOf, makeBoard, renewed, withBoard, withKey } from "./metadata.ts";
import { isInForce, place } from "./place.ts";
import { refuseUnreviewed, unreviewed } from "./review.ts";
import { allKeys, rootKeys } from "./roles.ts";
import { after, type Lacking } from "./signatures.ts";
import { leaveOut, readStaged } from "./staged.ts";

/** `publicKey`: the new one, in hex. `isReplaced`: devices see it. `lacking`: also what had waited before. */
export type Rotated = { publicKey: string; isReplaced: boolean; lacking: Lacking[] };

/** `name`: of the key's file, which may be lost. Throws `ota.noKey` if the repository names no such key. */
export async function rotateKey(
  repository: Repository,
  name: string,
  { passphrase, now }: { passphrase: string; now: number },
): Promise<Rotated> {
  return await locked(repository, now, async () => {
    const { folder, current } = repository;
    // One that is in force already, if a command was killed at its end, must not be overwritten.
    await settleKeys(folder, (publicKey) => isInForce(current, keyIdOf(publicKey)));
    // What waits for signatures goes on from there, or a second key would undo the replacement of the first.
    const staged = await readStaged(folder, current);
    const left = unreviewed(repository, staged, now).map(({ role }) => role);
    const change = leaveOut(staged, left);
    const { root, targets } = after(current, change);
    const next = <D extends Metadata<Root> | Metadata<Targets>>(role: string, document: D): D =>
      change.has(role) ? document : renewed(role, document, now);
    const key = generateSigningKey();
    const rootKey = keyInRoot(root, name);
    refuseUnreviewed(folder, left, rootKey === undefined ? ["targets", name] : ["root", name]);
    if (rootKey !== undefined) {
      change.set("root", withKey("root", next("root", root), rootKey, key.publicKey, now));
      if (name === "targets") change.set("targets", next("targets", targets));
    } else {
      const boardKey = targets.signed.delegations?.roles?.[name]?.keyIDs[0];
      // A board that this Hamlet knows and the one that made the repository did not gets its first key.
      if (boardKey === undefined && !boardNames.includes(name)) throw unknown(folder, name);
      const draft = next("targets", targets);
      const named = boardKey
        ? withKey("targets", draft, boardKey, key.publicKey, now)
        : withBoard(draft, name, key.publicKey, now);
      change.set("targets", named);
      change.set(name, change.get(name) ?? nextBoard(current, name, now));
    }
    const anchor = repository.anchor ?? hash("sha256", await readFile(metadataPath(folder, "1.root.json")));
    await writeNextKey(folder, { name, key, anchor }, passphrase);
    const { lacking } = await place({ ...repository, keys: [...repository.keys, key] }, change, now, left);
    const publicKey = Buffer.from(key.publicKey, "base64url").toString("hex");
    return { publicKey, isReplaced: isInForce(current, keyIdOf(key.publicKey)), lacking };
  });
}

/** The id of the key of that name: the root's own keep their order, and the other roles have one each. */
function keyInRoot({ signed }: Metadata<Root>, name: string): string | undefined {
  const index = (rootKeys as readonly string[]).indexOf(name);
  if (index >= 0) return signed.roles["root"]?.keyIDs[index];
  return name === "root" ? undefined : signed.roles[name]?.keyIDs[0];
}

function nextBoard({ boards }: Current, name: string, now: number): Metadata<Targets> {
  const board = boards.get(name);
  return board ? renewed(name, board, now) : makeBoard(name, [], 1, now);
}

const unknown = (folder: string, name: string): HamletError =>
  new HamletError("ota.noKey", `${folder} has no key ${name} that the repository names`, {
    hint: `the keys of a repository are ${allKeys().join(", ")}`,
  });
