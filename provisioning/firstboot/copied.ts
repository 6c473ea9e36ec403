// A disk that was copied, on another board: the agent has given the identity up for a new one, and root gives up what it had of the old
// device's. sshd makes a host key where there is none; the initrd makes a machine-id, so that is another one from the next start on.
import { z } from "zod";
import { putJson, readRootsOwn, removeFile } from "../handover/files.ts";
import { readOriginal } from "../handover/identity.ts";
import { wipe } from "../handover/wipe.ts";
import type { Paths } from "./paths.ts";

const Copied = z.object({ of: z.string() });

/** True if this device is a copy, and had not yet given up host key and machine-id. */
export async function renewIfCopied(paths: Paths): Promise<boolean> {
  const original = await readOriginal(paths.identity);
  if (original === undefined) return false;
  const done = await readRootsOwn(paths.copied, Copied).catch(() => undefined);
  if (done?.of === original) return false;
  for (const path of [paths.sshHostKey, `${paths.sshHostKey}.pub`]) await wipe(path);
  await removeFile(paths.machineId);
  // Last: a power cut before this does it again.
  await putJson(paths.copied, { of: original } satisfies z.infer<typeof Copied>);
  return true;
}
