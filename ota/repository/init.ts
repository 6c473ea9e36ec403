// Makes a publisher's folder with new keys and an empty repository.
import { hash } from "node:crypto";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { boardNames } from "../../image/boards.ts";
import { generateSigningKey, type SigningKey } from "../../provisioning/trust/keys.ts";
import { requirePassphrase } from "../../provisioning/trust/sealed-key.ts";
import { HamletError } from "../../system/error.ts";
import { writeFileAtomic } from "../../system/files.ts";
import { makeFolder, refuseExisting } from "../../system/new-folder.ts";
import type { Current } from "./current.ts";
import { metadataPath, type Repository, repositoryFolder } from "./folder.ts";
import { writeKeys } from "./keys.ts";
import {
  addSignature,
  encodeDocument,
  makeBoard,
  makeRoot,
  makeSnapshot,
  makeTargets,
  makeTimestamp,
  snapshotFile,
} from "./metadata.ts";
import { allKeys, rootKeys } from "./roles.ts";

/** The release root that images of this repository carry, below the publisher's folder. */
export const firstRootPath = (folder: string): string => metadataPath(folder, "1.root.json");

/** Complete or not at all. Throws `ota.exists` or `neighborhood.noPassphrase`. */
export async function initRepository(
  folder: string,
  { passphrase, now }: { passphrase: string; now: number },
): Promise<Repository> {
  requirePassphrase(passphrase);
  await refuseExisting(folder, exists);
  const keys = new Map(allKeys().map((name) => [name, generateSigningKey()]));
  const current = firstMetadata(keys, now);
  const anchor = hash("sha256", encodeDocument(current.root));
  await makeFolder(folder, exists, async (partial) => {
    await writeKeys(partial, keys, anchor, passphrase);
    const { root, targets, boards, snapshot, timestamp } = current;
    for (const [name, document] of [
      ["1.root.json", root],
      ["1.targets.json", targets],
      ...[...boards].map(([board, one]) => [`1.${board}.json`, one] as const),
      ["1.snapshot.json", snapshot],
      ["timestamp.json", timestamp],
    ] as const) {
      await writeFileAtomic(metadataPath(partial, name), encodeDocument(document), { mode: 0o644 });
    }
    for (const name of ["targets", "objects", "packs"]) await mkdir(join(repositoryFolder(partial), name));
    // A web server with a user of its own serves the repository; the keys stay the owner's.
    await chmod(join(partial, "keys"), 0o700);
    await chmod(partial, 0o755);
  });
  return { folder, keys: [...keys.values()], anchor, current };
}

function firstMetadata(keys: ReadonlyMap<string, SigningKey>, now: number): Current {
  const key = (name: string) => keys.get(name)!;
  const publicKey = (name: string) => key(name).publicKey;
  const root = makeRoot(
    {
      root: rootKeys.map(publicKey),
      targets: [publicKey("targets")],
      snapshot: [publicKey("snapshot")],
      timestamp: [publicKey("timestamp")],
    },
    1,
    now,
  );
  for (const name of rootKeys) addSignature(root, key(name));
  const targets = makeTargets(Object.fromEntries(boardNames.map((board) => [board, publicKey(board)])), 1, now);
  addSignature(targets, key("targets"));
  const boards = new Map(
    boardNames.map((board) => {
      const document = makeBoard(board, [], 1, now);
      addSignature(document, key(board));
      return [board, document] as const;
    }),
  );
  const snapshot = makeSnapshot(new Map([["targets", targets], ...boards]), undefined, 1, now);
  addSignature(snapshot, key("snapshot"));
  const timestamp = makeTimestamp(snapshotFile(snapshot), 1, now);
  addSignature(timestamp, key("timestamp"));
  return { root, targets, boards, snapshot, timestamp };
}

const exists = (folder: string): HamletError =>
  new HamletError("ota.exists", `${folder} exists already; nothing was changed`, {
    hint: "name a folder that does not exist yet: init creates it",
    exitCode: 3,
  });
