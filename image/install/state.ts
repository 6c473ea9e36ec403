// Copies a device's state into the file system of a new data partition.
import { join } from "node:path";
import { copyFolder } from "../../provisioning/handover/copy.ts";
import { Folder } from "../../provisioning/handover/folder.ts";
import type { Run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import { makeDataVolume } from "../assemble/data-volume.ts";

const mib = 1 << 20;
/** Far more than identity, records and settings need; twice as much fits into any device's memory. */
const mostBytes = 128 * mib;

/** Marks of this disk, not part of the device's identity. */
const leftBehind = new Set([
  "lost+found",
  "system/grown",
  "root/moving.json",
  "root/moving.json.copy",
  "root/moving-agent",
  "root/install.json",
]);

/**
 * Makes the file system with a copy of `state`, owners and modes included, in the folder `work`, which must be outside `state` and
 * in memory, because the copy has keys. The agent must be stopped.
 */
export async function packState(
  state: string,
  work: string,
  leastBytes: number,
  uuid: string,
  run: Run,
): Promise<{ path: string; sizeBytes: number }> {
  await using from = await Folder.open(state);
  if (!from) throw new HamletError("install.notADevice", `${state} is missing`);
  const copy = join(work, "state");
  await using to = await Folder.make(copy);
  const left = { entries: 4096, bytes: mostBytes, depth: 8 };
  await copyFolder(from, to, left, leftBehind);
  // Overhead of a file.
  const usedBytes = mostBytes - left.bytes + (4096 - left.entries) * 4096;
  // Room for the file system's own data and until it has grown.
  const sizeBytes = Math.max(leastBytes, Math.ceil((usedBytes * 2 + 32 * mib) / mib) * mib);
  const path = join(work, "data");
  await makeDataVolume(path, { sizeBytes, uuid, from: copy }, run);
  return { path, sizeBytes };
}
