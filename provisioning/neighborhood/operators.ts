// Operators: whom the root lets roll out releases and hold devices back. Each has a folder like the owner's, without the root's keys.
import { join } from "node:path";
import { HamletError } from "../../system/error.ts";
import { writeJson } from "../../system/files.ts";
import { makeFolder, refuseExisting } from "../../system/new-folder.ts";
import { Label } from "../trust/fields.ts";
import { generateSigningKey } from "../trust/keys.ts";
import { signOperator } from "../trust/operator.ts";
import type { Operator } from "../trust/order.ts";
import type { Revocations } from "../trust/revocation.ts";
import { requirePassphrase, sealKeys } from "../trust/sealed-key.ts";
import {
  changeNeighborhood,
  type Neighborhood,
  type NeighborhoodFile,
  type OpenNeighborhood,
  openKey,
} from "./neighborhood.ts";

export type NewOperator = { name: string; folder: string; passphrase: string; now: number };

/**
 * Certifies a new key, and makes the folder that holds it for the operator. Throws `operator.exists`, `neighborhood.exists` or
 * `neighborhood.busy`.
 */
export async function addOperator(
  { folder: ownFolder, keys, root }: OpenNeighborhood,
  { name, folder, passphrase, now }: NewOperator,
): Promise<NeighborhoodFile["operators"][number]> {
  if (!Label.safeParse(name).success) {
    const message = "the name of an operator is one printable line of at most 64 characters";
    throw new HamletError("usage.invalid", message, { exitCode: 2 });
  }
  requirePassphrase(passphrase);
  await refuseExisting(folder, exists);
  const key = generateSigningKey();
  const sealed = await sealKeys([{ role: "operator", key }], passphrase);
  const content = { v: 1 as const, neighborhood: keys.id, key: key.publicKey, name, issuedAt: now };
  const operator = { name, key: key.publicKey, certificate: await signOperator(content, root) };
  await makeFolder(folder, exists, async (partial) => {
    for (const one of sealed) await writeJson(join(partial, "operator.key"), one);
    await changeNeighborhood(ownFolder, async ({ file, revocations }) => {
      refuseTwin(name, file, revocations);
      const next: NeighborhoodFile = { ...file, operators: [...file.operators, operator] };
      await writeJson(join(partial, "neighborhood.json"), next, { mode: 0o644 });
      // Last, but before anybody has the key: whom the folder does not list, its owner could not revoke.
      return next;
    });
  });
  return operator;
}

/** Throws `operator.exists`. */
function refuseTwin(name: string, { operators }: NeighborhoodFile, revocations: Revocations): void {
  if (!operators.some((other) => other.name === name && !revocations.operators.has(other.key))) return;
  throw new HamletError("operator.exists", `there is an operator ${name}`, {
    hint: "choose another name, or revoke that one first: hamlet revoke <operator>",
    exitCode: 3,
  });
}

const exists = (folder: string): HamletError =>
  new HamletError("neighborhood.exists", `${folder} exists already; nothing was changed`, {
    hint: "name a folder that does not exist yet: the operator gets it",
    exitCode: 3,
  });

/** The operator key in this folder. Throws like `openKey`, and `operator.revoked`. */
export async function openOperator({ folder, file, revocations }: Neighborhood, passphrase: string): Promise<Operator> {
  const key = await openKey(folder, "operator", passphrase);
  const known = file.operators.find((one) => one.key === key.publicKey);
  if (known && !revocations.operators.has(known.key)) return { key, certificate: known.certificate };
  throw new HamletError(
    "operator.revoked",
    `the operator key in ${folder} ${known ? "is revoked" : "has no certificate"}`,
    {
      hint: "make another one with: hamlet operator add <name> --to <folder>",
      exitCode: 3,
    },
  );
}
