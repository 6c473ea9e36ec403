// Takes the provision file from the FAT partition to the data partition, once, and leaves a blank behind.
// Power may go after any line: all is synced to `data` before the wipe, and until the agent has made its identity all may be done again.
import { describeError, HamletError } from "../../system/error.ts";
import { openProvision } from "../file/provision.ts";
import {
  blankProvisionBlock,
  isBlankProvisionBlock,
  type ProvisionFile,
  provisionBlockBytes,
} from "../file/provision-file.ts";
import { overwriteFile, readFrom, removeFile, removeKept } from "../handover/files.ts";
import type { Owner } from "../handover/folder.ts";
import { giveProvision } from "../handover/provision.ts";
import type { ImagerWishes } from "../handover/wishes.ts";
import { applyNamed, applyWhole } from "./apply.ts";
import { type Past, readPast, requireNeighborhood } from "./past.ts";
import type { Paths } from "./paths.ts";

export type Settled =
  | { outcome: "settled"; name: string | undefined }
  /** Somebody got new network settings or SSH keys, and stays who it is; `refused` tells of what it did not take. */
  | { outcome: "resettled"; taken: string[]; refused: HamletError | undefined }
  /** `name`: what Raspberry Pi Imager called it. */
  | { outcome: "unprovisioned"; name: string | undefined }
  | { outcome: "alreadySettled" };

/**
 * `beneath` is what Raspberry Pi Imager said: it holds where the provision file says nothing.
 * Throws `provision.*`, `identity.invalid` or `document.refused`, having changed nothing, and the system's errors.
 */
export async function settleProvision(
  paths: Paths,
  board: string,
  agent: Owner,
  beneath: ImagerWishes = {},
): Promise<Settled> {
  const past = await readPast(paths);
  const block = await readBlock(paths.provisionFile);
  if (!block || isBlankProvisionBlock(block)) {
    if (past.kind !== "nobody") return { outcome: "alreadySettled" };
    if (Object.keys(beneath).length > 0) await applyWhole(paths, beneath);
    return { outcome: "unprovisioned", name: beneath.name };
  }
  if (past.kind === "unreadable") throw past.because;
  const { file: said } = await openProvision(block, board);

  // A card that names the token of this identity again is of the same owner: the keys and settings on it may be new.
  if (past.kind === "member" || (past.kind === "waiting" && past.token === said.token)) {
    requireNeighborhood(said, past.neighborhood);
    const taken = await applyNamed(paths, said);
    await overwriteFile(paths.provisionFile, blankProvisionBlock());
    return { outcome: "resettled", taken, refused: whatIsLeft(said, past) };
  }
  const file = { ...beneath, ...said, network: { ...beneath.network, ...said.network } };
  await applyWhole(paths, file);
  // Last, because with it the agent makes an identity.
  await giveProvision(paths.provision, file, agent);
  await removeFile(paths.problems);
  // Nobody ever let it in, by an old token or at all: with the new one it begins anew. Until the wipe a later boot does it again.
  // Revocations stay: whom the root has put out is out for the next one too.
  for (const path of [paths.roster, paths.standing, paths.identity]) await removeKept(path);
  await overwriteFile(paths.provisionFile, blankProvisionBlock());
  return { outcome: "settled", name: file.name };
}

/** Of what the file says, what somebody who has an identity does not take from a card. */
function whatIsLeft(said: ProvisionFile, past: Past & { kind: "member" | "waiting" }): HamletError | undefined {
  const isOther = (key: "seeds" | "config") => said[key] !== undefined && !isSame(said[key], past[key]);
  const isRenamed = said.name !== undefined && said.name !== past.name;
  const isDoubtful = past.kind === "member" && !past.isSure && said.token !== past.token;
  const left = [
    ...(isRenamed ? [`the name ${said.name}`] : []),
    ...(isOther("seeds") ? ["the seeds"] : []),
    ...(isOther("config") ? ["the agent's settings"] : []),
    ...(isDoubtful ? ["the token, for its state is damaged and it may be a member"] : []),
  ];
  if (left.length === 0) return undefined;
  const own = past.name ?? "this device";
  return new HamletError(
    "provision.partly",
    `${own} keeps its identity and has not taken from its card: ${left.join(", ")}`,
    {
      hint:
        left.length === 1 && isRenamed
          ? `type on the device: hamlet rename ${said.name}`
          : "type on the device: hamlet reset; then provision the card again: it takes all of it as a new device",
    },
  );
}

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

async function readBlock(path: string): Promise<Buffer | undefined> {
  return await readFrom(path, provisionBlockBytes * 2).catch((cause: unknown) => {
    throw new HamletError("provision.invalid", `the provision file can not be read: ${describeError(cause)}`, {
      hint: "the boot partition may be damaged: flash the card again",
      cause,
    });
  });
}
