// Whose key signs the owner's questions.
import type { Asker } from "../trust/question.ts";
import { type Neighborhood, openKey } from "./neighborhood.ts";

/** This folder's operator key; the root's if the folder has no certificate of it, or has revoked it. Throws like `openKey`. */
export async function openAsker({ folder, file, revocations }: Neighborhood, passphrase: string): Promise<Asker> {
  const key = await openKey(folder, "operator", passphrase);
  const known = file.operators.find((operator) => operator.key === key.publicKey);
  if (!known || revocations.operators.has(key.publicKey)) return { key: await openKey(folder, "root", passphrase) };
  return { key, certificate: known.certificate };
}
