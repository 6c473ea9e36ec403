// What root does on a device because its owner asked for it: install, reset, update from a stick. The owner is root there, and leaves the request in root's
// own folder, which no other user can write to, once the agent has agreed.
import { z } from "zod";
import { isThere, readRootsOwn, removeFile } from "./files.ts";

export const requestNames = { install: "install.json", reset: "reset.json", update: "update.json" } as const;

const InstallRequest = z.strictObject({
  v: z.literal(1),
  disk: z.string().max(4096).describe("path of the disk to move to"),
});

const UpdateRequest = z.strictObject({
  v: z.literal(1),
  folder: z.string().min(1).max(4096).startsWith("/").describe("a folder or file that `hamlet ota export` wrote"),
});

/** The content of each file. */
export const requestText = {
  install: (disk: string): string => JSON.stringify({ v: 1, disk } satisfies z.infer<typeof InstallRequest>),
  reset: (): string => JSON.stringify({ v: 1 }),
  update: (folder: string): string => JSON.stringify({ v: 1, folder } satisfies z.infer<typeof UpdateRequest>),
};

/** The disk that was asked for, if any was. The request is gone either way: what is asked once is tried once. */
export async function takeInstallRequest(path: string): Promise<string | undefined> {
  const request = await readRootsOwn(path, InstallRequest).catch(() => undefined);
  await removeFile(path);
  return request?.disk;
}

/** The folder or file to update from, if one was named. As for an install. */
export async function takeUpdateRequest(path: string): Promise<string | undefined> {
  const request = await readRootsOwn(path, UpdateRequest).catch(() => undefined);
  await removeFile(path);
  return request?.folder;
}

/** Throws `handover.refused` for a request that is not root's. */
export async function isResetRequested(path: string): Promise<boolean> {
  if (!(await isThere(path))) return false;
  // The file alone is the request: a power cut may have left nothing in it.
  await readRootsOwn(path, z.unknown());
  return true;
}
