// The neighborhood's folder on its owner's computer: the sealed keys, and the public documents that the root has signed.
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { readJson, writeFileAtomic, writeJson } from "../../system/files.ts";
import { withLock } from "../../system/lock.ts";
import { makeFolder, refuseExisting } from "../../system/new-folder.ts";
import { shellWord } from "../../system/shell-word.ts";
import type { ProvisionFile } from "../file/provision-file.ts";
import { EpochMs, Id, Jws, Label, PublicKey } from "../trust/fields.ts";
import { generateSigningKey, type SigningKey } from "../trust/keys.ts";
import { foundedBy, type NeighborhoodKeys, succeed } from "../trust/neighborhood-keys.ts";
import { signOperator } from "../trust/operator.ts";
import { addRevocations, noRevocations, type Revocations } from "../trust/revocation.ts";
import { openSealedKeys, requirePassphrase, SealedKey, sealKeys } from "../trust/sealed-key.ts";
import { printRecoverySheet, readRecoverySheet } from "./recovery-sheet.ts";

/** `neighborhood.json`, without secrets. */
export const NeighborhoodFile = z.strictObject({
  v: z.literal(1),
  id: Id,
  name: Label,
  rootKey: PublicKey.describe("founding root key"),
  successorKey: PublicKey.describe("founding successor key"),
  successions: z.array(Jws),
  revocations: z.array(Jws),
  operators: z.array(z.strictObject({ name: Label, key: PublicKey, certificate: Jws })),
  createdAt: EpochMs,
});
export type NeighborhoodFile = z.infer<typeof NeighborhoodFile>;

/** Everything that needs no passphrase. */
export type Neighborhood = { folder: string; file: NeighborhoodFile; keys: NeighborhoodKeys; revocations: Revocations };
export type OpenNeighborhood = Neighborhood & { root: SigningKey };

/** A copy of the folder comes first: only it has the documents signed since the sheet was printed. */
const fromSheet =
  "restore a copy of it, or create the folder again: hamlet init <new folder> --recover <recovery sheet>";

export type InitOptions = { name: string; passphrase: string; now: number };

/** Creates `folder` with new keys, complete or not at all. Throws `neighborhood.exists`, `neighborhood.noPassphrase`. */
export async function initNeighborhood(folder: string, { name, passphrase, now }: InitOptions): Promise<Neighborhood> {
  return createFolder(folder, { name, passphrase, now }, generateSigningKey(), generateSigningKey());
}

/** Restores the neighborhood from its recovery sheet: same id, addresses and members, new passphrase and operator key. */
export async function recoverNeighborhood(
  folder: string,
  sheet: string,
  options: { name?: string; passphrase: string; now: number },
): Promise<Neighborhood> {
  const { root, successor, name } = readRecoverySheet(sheet);
  return createFolder(folder, { ...options, name: options.name ?? (name || "Neighborhood") }, root, successor);
}

/** Throws `neighborhood.notFound` or `file.invalid`. */
export async function readNeighborhood(folder: string): Promise<Neighborhood> {
  const file = await readJson(fileIn(folder), NeighborhoodFile, { hint: fromSheet });
  if (!file) {
    // `init` refuses a folder that exists.
    const isFree = (await lstat(folder).catch(() => undefined)) === undefined;
    throw new HamletError("neighborhood.notFound", `${folder} is not a neighborhood`, {
      hint: isFree
        ? `create one: hamlet init ${shellWord(folder)} --name "Elm Street"`
        : 'name the folder that hamlet init created, or create one: hamlet init <new folder> --name "Elm Street"',
    });
  }
  const keys = await succeed(foundedBy(file.rootKey, file.successorKey), file.successions);
  const { revocations } = await addRevocations(noRevocations, file.revocations, keys);
  if (keys.id !== file.id) {
    throw new HamletError("file.invalid", `${fileIn(folder)}: the id does not match these keys`);
  }
  return { folder, file, keys, revocations };
}

/** Writing takes milliseconds: whoever waits longer waits for one that is elsewhere, or that was killed there. */
const turnWithinMs = 10_000;

/**
 * Replaces `neighborhood.json` by what `change` makes of it as it is now: another command may have added to it since it was read. One at a
 * time. Throws `neighborhood.busy`, and what `readNeighborhood` throws.
 */
export async function changeNeighborhood(
  folder: string,
  change: (now: Neighborhood) => Promise<NeighborhoodFile>,
  waitMs = turnWithinMs,
): Promise<Neighborhood> {
  const path = join(folder, "lock");
  const busy = () =>
    new HamletError("neighborhood.busy", `another command writes to ${folder}`, {
      hint: `wait until it ends; if none runs, on no computer: rm ${shellWord(path)}`,
      exitCode: 3,
    });
  return await withLock(path, { waitMs, busy }, async () => {
    await writeJson(fileIn(folder), await change(await readNeighborhood(folder)), { mode: 0o644 });
    return await readNeighborhood(folder);
  });
}

const fileIn = (folder: string): string => join(folder, "neighborhood.json");

/** Opens the root key too. Throws `neighborhood.notFound`, `neighborhood.wrongPassphrase` or `file.invalid`. */
export async function openNeighborhood(folder: string, passphrase: string): Promise<OpenNeighborhood> {
  const neighborhood = await readNeighborhood(folder);
  const root = await openKey(folder, "root", passphrase);
  if (root.publicKey !== neighborhood.keys.rootKey) {
    throw new HamletError("file.invalid", `${join(folder, "root.key")} belongs to another neighborhood`);
  }
  return { ...neighborhood, root };
}

export async function openKey(
  folder: string,
  role: "root" | "successor" | "operator",
  passphrase: string,
): Promise<SigningKey> {
  const path = join(folder, `${role}.key`);
  const sealed = await readJson(path, SealedKey, { hint: fromSheet });
  if (!sealed) throw new HamletError("neighborhood.notFound", `${path} is missing`, { hint: fromSheet });
  const [key] = await openSealedKeys([sealed], passphrase);
  if (key) return key;
  throw new HamletError("neighborhood.wrongPassphrase", `the passphrase does not open the ${role} key`, {
    hint: "try again; if it is lost, hamlet init --recover makes a new folder from the recovery sheet",
  });
}

/** The neighborhood's part of a provision file. */
export const toProvision = ({ file }: Neighborhood): Pick<ProvisionFile, "neighborhood" | "revocations"> => ({
  neighborhood: {
    id: file.id,
    name: file.name,
    rootKey: file.rootKey,
    successorKey: file.successorKey,
    ...(file.successions.length > 0 && { successions: file.successions }),
  },
  ...(file.revocations.length > 0 && { revocations: file.revocations }),
});

async function createFolder(
  folder: string,
  { name, passphrase, now }: InitOptions,
  root: SigningKey,
  successor: SigningKey,
): Promise<Neighborhood> {
  const label = Label.safeParse(name);
  if (!label.success) {
    throw new HamletError(
      "usage.invalid",
      "the name of a neighborhood is one printable line of at most 64 characters",
      {
        exitCode: 2,
      },
    );
  }
  requirePassphrase(passphrase);
  await refuseExisting(folder, exists);

  const operator = generateSigningKey();
  const keys = foundedBy(root.publicKey, successor.publicKey);
  const certificate = await signOperator(
    { v: 1, neighborhood: keys.id, key: operator.publicKey, name: "owner", issuedAt: now },
    root,
  );
  const file: NeighborhoodFile = {
    v: 1,
    id: keys.id,
    name,
    rootKey: root.publicKey,
    successorKey: successor.publicKey,
    successions: [],
    revocations: [],
    operators: [{ name: "owner", key: operator.publicKey, certificate }],
    createdAt: now,
  };
  const sealed = await sealKeys(
    [
      { role: "root", key: root },
      { role: "successor", key: successor },
      { role: "operator", key: operator },
    ],
    passphrase,
  );
  const sheet = printRecoverySheet({ name, id: keys.id, root, successor });
  await makeFolder(folder, exists, async (partial) => {
    for (const key of sealed) await writeJson(join(partial, `${key.role}.key`), key);
    await writeJson(fileIn(partial), file, { mode: 0o644 });
    await writeFileAtomic(join(partial, "recovery.txt"), sheet);
  });
  return { folder, file, keys, revocations: noRevocations };
}

const exists = (folder: string): HamletError =>
  new HamletError("neighborhood.exists", `${folder} exists already; nothing was changed`, {
    hint: "name a folder that does not exist yet: init creates it",
    exitCode: 3,
  });
