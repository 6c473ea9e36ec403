// The state of a device as the content of a new data partition.
import { lstat, mkdir, readdir, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import type { Run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import { makeDataVolume } from "../data-volume.ts";

const mib = 1 << 20;
/** More than identity, records and settings come to by far; twice as much has room in the memory of any device. */
const mostBytes = 128 * mib;

/** Not part of who a device is: marks of this disk. */
const leftBehind = ["lost+found", "system/grown", "root/moving.json", "root/moving-agent"];

/**
 * Makes the file system with a copy of `state`, owners and modes included, in the folder `work`: outside of `state`, and
 * in memory, for keys are in it. The agent must be at rest.
 */
export async function packState(
  state: string,
  work: string,
  leastBytes: number,
  uuid: string,
  run: Run,
): Promise<{ path: string; sizeBytes: number }> {
  const usedBytes = await lengthOf(state, state);
  if (usedBytes > mostBytes) {
    throw new HamletError("install.tooMuchState", `${state} holds ${Math.ceil(usedBytes / mib)} MiB`, {
      hint: "more than a device keeps of itself: look what else lies there",
    });
  }
  const copy = join(work, "state");
  // `cp -a` keeps what Node's own copy does not: owners.
  await mkdir(copy, { mode: 0o755 });
  for (const name of await readdir(state)) {
    if (!leftBehind.includes(name)) await run(["cp", "-a", join(state, name), copy], { timeoutMs: 60_000 });
  }
  for (const name of leftBehind) await rm(join(copy, name), { recursive: true, force: true });
  // Room for the file system's own and for the time until it has grown.
  const sizeBytes = Math.max(leastBytes, Math.ceil((usedBytes * 2 + 32 * mib) / mib) * mib);
  const path = join(work, "data");
  await makeDataVolume(path, { sizeBytes, uuid, from: copy }, run);
  return { path, sizeBytes };
}

async function lengthOf(path: string, state: string): Promise<number> {
  if (leftBehind.includes(relative(state, path))) return 0;
  const facts = await lstat(path);
  if (!facts.isDirectory()) return facts.isFile() ? facts.size + 4096 : 4096;
  let sum = 4096;
  for (const name of await readdir(path)) sum += await lengthOf(join(path, name), state);
  return sum;
}
