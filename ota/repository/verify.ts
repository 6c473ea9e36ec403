// Checks that a repository is whole: every file that the metadata leads to is there and is what it names.
import { hash } from "node:crypto";
import { makeCrew } from "../../system/crew.ts";
import { HamletError } from "../../system/error.ts";
import type { Progress } from "../../system/progress.ts";
import { newestName, objectPath, packPath } from "../format/names.ts";
import { type Current, readCurrent } from "./current.ts";
import type { Files } from "./files.ts";
import { type Needs, needsOf } from "./needs.ts";
import { openFrame } from "./open-frame.ts";
import { readRelease } from "./releases.ts";

const atOnce = 4;

/** What is wrong, in words; empty if nothing is. Throws `update.unreachable`. */
export async function verifyRepository(files: Files, progress: Progress, signal?: AbortSignal): Promise<string[]> {
  const troubles: string[] = [];
  const noting = async (work: () => Promise<void>) => {
    signal?.throwIfAborted();
    await work().catch((error: unknown) => {
      if (!(error instanceof HamletError) || error.code === "update.unreachable") throw error;
      troubles.push(error.message);
    });
  };
  progress.stage("checking the metadata");
  const needs: Needs = { objects: new Map(), packs: new Map() };
  await noting(async () => {
    const current = await readCurrent(files);
    for (const [board, { signed }] of current.boards) {
      for (const target of Object.values(signed.targets)) {
        await noting(async () => {
          const { manifest } = await readRelease(files, target);
          if (target.path === newestName(board)) return;
          const { objects, packs } = await needsOf(files, manifest);
          for (const [sha256, sizeBytes] of objects) needs.objects.set(sha256, sizeBytes);
          for (const [sha256, sizeBytes] of packs) needs.packs.set(sha256, sizeBytes);
        });
      }
    }
  });
  await checkContent(files, needs, noting, progress);
  return troubles;
}

async function checkContent(
  files: Files,
  { objects, packs }: Needs,
  noting: (work: () => Promise<void>) => Promise<void>,
  progress: Progress,
): Promise<void> {
  const totalBytes = [...objects.values(), ...packs.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0);
  progress.stage("checking objects and packs", totalBytes);
  let doneBytes = 0;
  const crew = makeCrew(atOnce);
  const check = (sizeBytes: number, work: () => Promise<void>) =>
    crew.begin(async () => {
      await noting(work);
      doneBytes += sizeBytes;
      progress.at(doneBytes);
    });
  for (const [sha256, sizeBytes] of objects) {
    const path = objectPath(sha256);
    await check(sizeBytes, async () => {
      await openFrame(await files.read(path), sha256, sizeBytes, files.nameOf(path));
    });
  }
  for (const [sha256, sizeBytes] of packs) {
    const path = packPath(sha256);
    await check(sizeBytes, async () => {
      const content = await files.read(path);
      if (content?.length === sizeBytes && hash("sha256", content) === sha256) return;
      const why = content ? "has other content" : "is missing";
      throw new HamletError("ota.damaged", `${files.nameOf(path)} ${why}`);
    });
  }
  await crew.end();
}

/** Whether a web server has this repository in this state, in words; undefined if it has. */
export async function compareRemote(own: Current, files: Files): Promise<string | undefined> {
  const remote = await readCurrent(files);
  if (!remote.root.signed.equals(own.root.signed)) {
    const [there, here] = [remote.root.signed.version, own.root.signed.version];
    return there === here ? "it is another repository" : `it has version ${there} of the root, this folder ${here}`;
  }
  const [there, here] = [remote.timestamp.signed.version, own.timestamp.signed.version];
  return there === here ? undefined : `it has version ${there} of the timestamp, this folder ${here}: copy it again`;
}
