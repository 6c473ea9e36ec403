// A reset that the owner asks for over the link: the agent hands the signed question on, and root, which believes no agent, verifies it by the
// keys that this device was provisioned with. They are in root's own folder.

import { rename, rm } from "node:fs/promises";
import { z } from "zod";
import { writeJson } from "../../system/files.ts";
import { ProvisionFile } from "../file/provision-file.ts";
import { importSigningKey } from "../trust/keys.ts";
import { deviceIdOf } from "../trust/names.ts";
import { foundedBy, succeed } from "../trust/neighborhood-keys.ts";
import { SignedQuestion, verifyQuestion } from "../trust/question.ts";
import { Refusal } from "../trust/refusal.ts";
import { noRevocations } from "../trust/revocation.ts";
import { putJson, readJsonFrom, readKeptFrom, readRootsOwn, removeFile } from "./files.ts";

const Neighborhood = ProvisionFile.shape.neighborhood;

/** For root, when it takes a provision file. */
export const keepOwner = (path: string, neighborhood: z.infer<typeof Neighborhood>): Promise<void> =>
  putJson(path, neighborhood);

/** For the agent, which can not carry it out. Root sees it once `agree` has resolved; a full disk refuses before that. */
export async function giveAskedReset<T>(path: string, signed: SignedQuestion, agree: () => Promise<T>): Promise<T> {
  await writeJson(`${path}.asked`, signed);
  try {
    const agreed = await agree();
    await rename(`${path}.asked`, path);
    return agreed;
  } finally {
    await rm(`${path}.asked`, { force: true });
  }
}

const OwnKey = z.object({ deviceKey: z.string().max(4096) });

/**
 * For root: true if the owner asks to reset this device. The question is gone either way. Its nonce is the agent's matter; it can not come
 * twice, because the device that it names ends with the reset. Throws `Refusal`, `handover.refused` or `file.invalid`.
 */
export async function takeAskedReset(files: { asked: string; owner: string; identity: string }): Promise<boolean> {
  try {
    const signed = await readJsonFrom(files.asked, SignedQuestion);
    if (!signed) return false;
    const neighborhood = await readRootsOwn(files.owner, Neighborhood);
    const own = await readKeptFrom(files.identity, OwnKey);
    if (!neighborhood || !own) throw new Refusal("wrongNeighborhood", "this device does not know whose it is");
    const { rootKey, successorKey, successions = [] } = neighborhood;
    const { kind } = await verifyQuestion(signed, {
      ...{ device: deviceIdOf(importSigningKey(own.deviceKey).publicKey), revocations: noRevocations },
      ...{ neighborhood: await succeed(foundedBy(rootKey, successorKey), successions), spend: () => true },
    });
    if (kind !== "reset") throw new Refusal("badContent", `a question of the kind ${kind} resets nothing`);
    return true;
  } finally {
    await removeFile(files.asked);
  }
}
