// Takes a release through a real agent, as the updater does, with the updater's own metadata check and steps; only the slot is missing.
import { tmpdir } from "node:os";
import { type Manifest, recipeFor } from "../../ota/format/manifest.ts";
import type { OldPart } from "../../ota/format/recipe.ts";
import { openRecipe } from "../../ota/format/recipe.ts";
import { openAgentDoor } from "../../ota/updater/agent-door.ts";
import { makeAhead, makeStep, patiently, type Sources } from "../../ota/updater/making.ts";
import { findNewest } from "../../ota/updater/metadata.ts";
import { makeUnpack } from "../../ota/updater/packed-step.ts";
import { type PlacedStep, planParts, stepsCovering } from "../../ota/updater/plan.ts";
import type { UpdateActivity } from "../../provisioning/handover/update.ts";
import { sleep } from "../../system/clock.ts";
import { reportOf } from "../agent/update/updater.ts";
import { board, type Release } from "../ota/updater/repository.ts";

export type TakeOptions = {
  firstRoot: Buffer;
  /** The release that the device runs. */
  from?: Release;
  onStep?(doneBytes: number): void;
  onFound?(): void;
};
export type Taken = { manifest: Manifest; root: Buffer; webBytes: number };

const patience = { sleep, random: Math.random };

export async function takeRelease(
  socketPath: string,
  { firstRoot, from, onStep, onFound }: TakeOptions,
): Promise<Taken> {
  const door = openAgentDoor(socketPath);
  const report = (activity: UpdateActivity) => door.report(reportOf({ activity }));
  const question = { board, door, kept: undefined, firstRoot, floors: {}, nowMs: Date.now(), workIn: tmpdir() };
  const { manifest } = await patiently(() => findNewest(question), patience);
  onFound?.();
  const { version, parts } = manifest;
  const totalBytes = parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const progress = { part: "root", doneBytes: 0, totalBytes, fetchedBytes: 0, forecastBytes: totalBytes };
  await report({ phase: "writing", version, ...progress });
  let webBytes = 0;
  const onCarried = (bytes: number) => {
    webBytes += bytes;
  };
  const recipe = async (rootHash: string | undefined) =>
    openRecipe(await patiently(() => door.object(recipeFor(manifest, rootHash), onCarried), patience), parts);
  const opened = await recipe(from?.rootHash);
  const plans = planParts(parts, opened);
  const readOld = async (part: OldPart, offset: number, length: number) =>
    part === "boot" ? undefined : from && Buffer.from(from[part].subarray(offset, offset + length));
  const sources: Sources = {
    ...patience,
    readOld,
    fetch: (ref) => door.object(ref, onCarried),
    wholeSteps: async (at, length) => stepsCovering(planParts(parts, await recipe(undefined)), at, length),
    unpack: makeUnpack({
      ...{ pack: opened.pack, readOld, insteadBytes: () => totalBytes, onLost() {} },
      fetchPacked: (request, dictionary) => door.packed(request, dictionary, onCarried),
    }),
  };
  let doneBytes = 0;
  let root = Buffer.alloc(0);
  for (const { part, steps } of plans) {
    const pieces: Buffer[] = [];
    for await (const { bytes } of makeAhead(steps, (step: PlacedStep) => makeStep(step, sources))) {
      pieces.push(bytes);
      doneBytes += bytes.length;
      onStep?.(doneBytes);
    }
    if (part.name === "root") root = Buffer.concat(pieces);
  }
  await report({ phase: "idle" });
  return { manifest, root, webBytes };
}
