// Whose this device is, and which device it is, as root knows it: from the owner's card and from the first identity that the agent showed.
// The agent can change neither afterwards.
import { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { ProvisionFile } from "../file/provision-file.ts";
import { putJson, readKeptFrom, readRootsOwn, removeFile } from "../handover/files.ts";
import { readOriginal } from "../handover/identity.ts";
import { Id } from "../trust/fields.ts";
import { importSigningKey } from "../trust/keys.ts";
import { deviceIdOf } from "../trust/names.ts";
import { foundedBy, type NeighborhoodKeys, succeed } from "../trust/neighborhood-keys.ts";
import type { Paths } from "./paths.ts";

const Neighborhood = ProvisionFile.shape.neighborhood;
type Neighborhood = z.infer<typeof Neighborhood>;
const Pinned = z.object({ id: Id });
const OwnKey = z.object({ deviceKey: z.string().max(4096) });

/** A new identity comes with a new owner. */
export async function setOwner(paths: Paths, neighborhood: Neighborhood): Promise<void> {
  await removeFile(paths.ownId);
  await putJson(paths.owner, neighborhood);
}

/** A card of the same neighborhood: one that knows of more changes of root counts, and an older one takes none back. */
export async function learnOwner(paths: Paths, given: Neighborhood): Promise<void> {
  const known = await readRootsOwn(paths.owner, Neighborhood).catch(() => undefined);
  const isNews = !known || (known.id === given.id && changesOf(given) > changesOf(known));
  if (isNews) await putJson(paths.owner, given);
}
const changesOf = ({ successions = [] }: Neighborhood): number => successions.length;

/** Throws `reset.ownerUnknown` on a device whose root has kept no owner, `Refusal`, `handover.refused` or `file.invalid`. */
export async function readOwner(paths: Paths): Promise<NeighborhoodKeys> {
  const neighborhood = await readRootsOwn(paths.owner, Neighborhood);
  if (!neighborhood) {
    throw new HamletError(
      "reset.ownerUnknown",
      "this device was provisioned by a release that kept no owner's keys for root",
      {
        hint: "log in as root and type there: hamlet reset; or provision its card again and start from it, so that it learns its owner",
        exitCode: 3,
      },
    );
  }
  const { rootKey, successorKey, successions = [] } = neighborhood;
  return await succeed(foundedBy(rootKey, successorKey), successions);
}

/**
 * This device's id, which it keeps: of another identity that the agent shows later only a copy's counts, which the old key has signed.
 * Undefined while the agent has made none. Throws `identity.invalid`, `Refusal`, `handover.refused` or `file.invalid`.
 */
export async function pinOwnId(paths: Paths): Promise<string | undefined> {
  const pinned = (await readRootsOwn(paths.ownId, Pinned).catch(() => undefined))?.id;
  const own = await readKeptFrom(paths.identity, OwnKey);
  const shown = own && deviceIdOf(importSigningKey(own.deviceKey).publicKey);
  if (shown === undefined || shown === pinned) return pinned;
  if (pinned !== undefined) {
    const original = await readOriginal(paths.identity);
    if (original === undefined || deviceIdOf(original) !== pinned) {
      throw new HamletError("identity.invalid", "the agent shows another identity than this device was known by", {
        hint: "log in as root and type there: hamlet reset",
        exitCode: 3,
      });
    }
  }
  await putJson(paths.ownId, { id: shown } satisfies z.infer<typeof Pinned>);
  return shown;
}
