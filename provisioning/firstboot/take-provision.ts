// Takes the provision file from the FAT partition to the data partition, once, and leaves a blank block behind.
// Power may go after any line: all is synced to `data` before the wipe, and until the agent has made its identity a later boot may do it
// all again.
import { describeError, HamletError } from "../../system/error.ts";
import type { ImagerSettings } from "../file/imager-settings.ts";
import { openProvision } from "../file/provision.ts";
import {
  blankProvisionBlock,
  isBlankProvisionBlock,
  type ProvisionFile,
  provisionBlockBytes,
} from "../file/provision-file.ts";
import { overwriteFile, readFrom, removeFile, removeKept } from "../handover/files.ts";
import type { Owner } from "../handover/folder.ts";
import { configFor, giveProvision } from "../handover/provision.ts";
import { applyAll, applyGiven, isOwnReleaseRoot } from "./apply.ts";
import { type DeviceState, readDeviceState, requireNeighborhood } from "./device-state.ts";
import { learnOwner, setOwner } from "./owner.ts";
import type { Paths } from "./paths.ts";

export type Taken =
  | { outcome: "provisioned"; name: string | undefined }
  /** A device that keeps its identity took new settings; `refused` names what it did not take. */
  | { outcome: "updated"; taken: string[]; refused: HamletError | undefined }
  /** `name`: by Raspberry Pi Imager. */
  | { outcome: "unprovisioned"; name: string | undefined }
  | { outcome: "unchanged" };

/**
 * `defaults` by Raspberry Pi Imager hold where the provision file says nothing.
 * Throws `provision.*` or `identity.invalid`, having changed nothing, and the system's errors.
 */
export async function takeProvision(
  paths: Paths,
  board: string,
  agent: Owner,
  defaults: ImagerSettings = {},
): Promise<Taken> {
  const state = await readDeviceState(paths);
  const block = await readBlock(paths.provisionFile);
  if (!block || isBlankProvisionBlock(block)) {
    if (state.phase !== "unprovisioned") return { outcome: "unchanged" };
    if (Object.keys(defaults).length > 0) await applyAll(paths, defaults);
    return { outcome: "unprovisioned", name: defaults.name };
  }
  if (state.phase === "unreadable") throw state.because;
  const { file: given } = await openProvision(block, board);

  // A card that has the token of this identity again comes from the same owner: keys and settings on it may be new.
  if (state.phase === "member" || (state.phase === "pending" && state.token === given.token)) {
    requireNeighborhood(given, state.neighborhood);
    const taken = await applyGiven(paths, given);
    await learnOwner(paths, given.neighborhood);
    await overwriteFile(paths.provisionFile, blankProvisionBlock());
    return { outcome: "updated", taken, refused: await whatIsRefused(paths, given, state) };
  }
  const file = { ...defaults, ...given, network: { ...defaults.network, ...given.network } };
  await applyAll(paths, file);
  await setOwner(paths, file.neighborhood);
  // Last, because the agent makes an identity of it.
  await giveProvision(paths.provision, file, agent);
  await removeFile(paths.problems);
  // No member ever admitted it, so it starts over with the new token. Until the wipe a later boot does this again.
  // Revocations stay: what the root has revoked is revoked for the next identity too.
  for (const path of [paths.roster, paths.standing, paths.identity]) await removeKept(path);
  await overwriteFile(paths.provisionFile, blankProvisionBlock());
  return { outcome: "provisioned", name: file.name };
}

/** What a device with an identity does not take from a card. */
async function whatIsRefused(
  paths: Paths,
  given: ProvisionFile,
  state: DeviceState & { phase: "member" | "pending" },
): Promise<HamletError | undefined> {
  const agents = { seeds: given.seeds, config: configFor(given) };
  const isOther = (key: "seeds" | "config") => agents[key] !== undefined && !isSame(agents[key], state[key]);
  const { releaseRoot } = given.update ?? {};
  const isOtherRoot = releaseRoot !== undefined && !(await isOwnReleaseRoot(paths, releaseRoot));
  const isRenamed = given.name !== undefined && given.name !== state.name;
  const isDoubtful = state.phase === "member" && !state.isSure && given.token !== state.token;
  const refused = [
    ...(isRenamed ? [`the name ${given.name}`] : []),
    ...(isOther("seeds") ? ["the seeds"] : []),
    ...(isOther("config") ? ["the agent's settings"] : []),
    ...(isOtherRoot ? ["the release root"] : []),
    ...(isDoubtful ? ["the token, because its state is damaged and it may be a member"] : []),
  ];
  if (refused.length === 0) return undefined;
  const own = state.name ?? "this device";
  return new HamletError(
    "provision.partly",
    `${own} keeps its identity and has not taken from its card: ${refused.join(", ")}`,
    {
      hint:
        refused.length === 1 && isRenamed
          ? `type on the device: hamlet rename ${given.name}`
          : "type on the device: hamlet reset; then provision the card again: it takes all of it as a new device",
    },
  );
}

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

async function readBlock(path: string): Promise<Buffer | undefined> {
  return await readFrom(path, provisionBlockBytes * 2).catch((cause: unknown) => {
    throw new HamletError("provision.invalid", `the provision file cannot be read: ${describeError(cause)}`, {
      hint: "the boot partition may be damaged: flash the card again",
      cause,
    });
  });
}
