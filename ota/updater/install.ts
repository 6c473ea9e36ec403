// Installs a release into the other slot: marks the slot bad, writes and verifies each part, and leaves it ready to be staged.
// Nothing is armed here, and the running slot is only read.
import { type BootControl, type Candidate, otherSlot, type Slot } from "../../image/boot/boot-control.ts";
import { HamletError } from "../../system/error.ts";
import { type Manifest, type Part, type PartName, recipeFor } from "../format/manifest.ts";
import type { PlaceValues } from "../format/places.ts";
import { decodeRecipe } from "../format/recipe.ts";
import type { Fetched, ObjectRef } from "./agent-door.ts";
import { fetchPatiently, makeStep, type Sources } from "./making.ts";
import { kernelOf } from "./new-kernel.ts";
import type { OldRelease } from "./old-release.ts";
import { type PartPlan, type PlacedStep, planParts } from "./plan.ts";
import type { SlotPart } from "./slot-part.ts";
import { finishPart, verifyPart, verifyRoot, writePart } from "./slot-writer.ts";
import { treeBytes } from "./verity.ts";

export type InstallDoors = {
  control: BootControl;
  /** Opens a part of a slot to write it: `root-b`, `verity-b`, `boot-b`. */
  openPart(label: string): Promise<SlotPart>;
  openOld(slot: Slot): OldRelease;
  fetch(ref: ObjectRef): Promise<Fetched>;
  /** Of the running slot. */
  rootHash: string | undefined;
  /** The signature of a Pi's disk. */
  diskSignature: string | undefined;
  sleep(ms: number): Promise<void>;
  random(): number;
};

export type Progress =
  | {
      phase: "writing";
      part: PartName;
      doneBytes: number;
      totalBytes: number;
      fetchedBytes: number;
      forecastBytes: number;
    }
  | { phase: "verifying"; doneBytes: number; totalBytes: number };
export type OnProgress = (progress: Progress) => void;

export type Installed = { slot: Slot; candidate: Candidate };

/** Throws `update.noRoom`, `update.writeFailed`, `update.verifyFailed`, boot control's codes, and those of what is fetched. */
export async function install(manifest: Manifest, doors: InstallDoors, onProgress: OnProgress): Promise<Installed> {
  const { control } = doors;
  const running = await control.current();
  const slot = otherSlot(running.slot);
  await checkRoom(manifest, slot, doors);
  // From here on nothing starts the slot, whatever it contains.
  await control.markBad();
  const old = doors.openOld(running.slot);
  try {
    const values: PlaceValues = { slot, disk: doors.diskSignature ?? "" };
    const progress = countProgress(manifest.parts, onProgress);
    const sources = sourcesOf(manifest, doors, old, progress.onFetched);
    const make = (step: PlacedStep) => makeStep(step, sources);
    const recipe = recipeFor(manifest, doors.rootHash);
    const plans = planParts(manifest.parts, decodeRecipe(await fetchPatiently(recipe, sources), manifest.parts));
    progress.expect(plans.flatMap(({ steps }) => steps));
    let candidate: Candidate = { version: manifest.version };
    // The kernel first: whether the EFI partition has room for it shows before the long part begins.
    for (const plan of plans.filter(({ part }) => part.name === "kernel")) {
      candidate = { ...candidate, kernel: kernelOf(plan, values, make, progress.onWritten(plan.part)) };
      await control.prepare(slot, candidate);
      progress.onWritten(plan.part)(plan.part.sizeBytes);
    }
    for (const plan of plans.filter(({ part }) => part.name !== "kernel")) {
      await installPart(plan, manifest, slot, doors, values, make, progress);
    }
    await control.prepare(slot, candidate);
    return { slot, candidate };
  } finally {
    await old.close();
  }
}

async function installPart(
  plan: PartPlan,
  { verity }: Manifest,
  slot: Slot,
  doors: InstallDoors,
  values: PlaceValues,
  make: (step: PlacedStep) => Promise<Buffer>,
  progress: ReturnType<typeof countProgress>,
): Promise<void> {
  const { part } = plan;
  const target = await doors.openPart(`${part.name}-${slot}`);
  try {
    const written = await writePart(target, plan, values, make, progress.onWritten(part), progress.onFound);
    const onVerified = progress.onVerified(part);
    if (part.name === "root") {
      const tree = await doors.openPart(`verity-${slot}`);
      try {
        await verifyRoot(target, tree, part, verity, written, onVerified);
      } finally {
        await tree.close();
      }
    } else await verifyPart(target, part, values, written, onVerified);
    await finishPart(target, part, written);
  } finally {
    await target.close();
  }
}

/** Throws `update.noRoom`. Boot control checks the EFI partition. */
async function checkRoom({ parts, verity }: Manifest, slot: Slot, { openPart }: InstallDoors): Promise<void> {
  const needed = parts.flatMap(({ name, sizeBytes }) =>
    name === "kernel" ? [] : [{ label: `${name}-${slot}`, sizeBytes }],
  );
  for (const { label, sizeBytes } of [
    ...needed,
    { label: `verity-${slot}`, sizeBytes: treeBytes(verity.dataBlocks) },
  ]) {
    const part = await openPart(label);
    await part.close();
    if (sizeBytes <= part.sizeBytes) continue;
    throw new HamletError("update.noRoom", `${label} holds ${part.sizeBytes} bytes, the release needs ${sizeBytes}`, {
      hint: "publish a smaller release",
      exitCode: 3,
    });
  }
}

function sourcesOf(
  manifest: Manifest,
  { fetch, sleep, random }: InstallDoors,
  old: OldRelease,
  onFetched: (fetched: Fetched) => void,
): Sources {
  let whole: Promise<PlacedStep[]> | undefined;
  const readWhole = async () => {
    const how = { fetch, sleep, random, onFetched };
    const recipe = decodeRecipe(await fetchPatiently(recipeFor(manifest, undefined), how), manifest.parts);
    return planParts(manifest.parts, recipe).flatMap(({ steps }) => steps);
  };
  return {
    readOld: old.read,
    fetch,
    wholeSteps() {
      whole ??= readWhole();
      // A failure is not for ever.
      whole.catch(() => {
        whole = undefined;
      });
      return whole;
    },
    sleep,
    random,
    onFetched,
  };
}

/** Of a root filesystem's chunks, by zstd. */
const usualRatio = 0.4;

function countProgress(parts: Part[], onProgress: OnProgress) {
  const totalBytes = parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const written = new Map<PartName, number>();
  const verified = new Map<PartName, number>();
  const sum = (of: Map<PartName, number>) => [...of.values()].reduce((all, one) => all + one, 0);
  const toVerify = parts.reduce((all, { name, sizeBytes }) => all + (name === "kernel" ? 0 : sizeBytes), 0);
  let carriedBytes = 0;
  /** Contents of objects: how many are here, and how many the recipe names. */
  let [hereBytes, namedBytes] = [0, 0];
  const isFetched = ({ kind }: PlacedStep) => kind !== "copy";
  const forecast = () => {
    // A recipe does not say how far its chunks compress: like those before.
    const ratio = hereBytes > 0 ? carriedBytes / hereBytes : usualRatio;
    return Math.round(carriedBytes + Math.max(0, namedBytes - hereBytes) * ratio);
  };
  return {
    onFetched({ content, carriedBytes: bytes }: Fetched) {
      carriedBytes += bytes;
      hereBytes += content.length;
    },
    expect(steps: PlacedStep[]) {
      namedBytes = hereBytes + steps.filter(isFetched).reduce((all, { length }) => all + length, 0);
    },
    onFound(step: PlacedStep) {
      if (isFetched(step)) namedBytes -= step.length;
    },
    onWritten:
      ({ name }: Part) =>
      (doneBytes: number) => {
        written.set(name, doneBytes);
        const bytes = { doneBytes: sum(written), totalBytes, fetchedBytes: carriedBytes, forecastBytes: forecast() };
        onProgress({ phase: "writing", part: name, ...bytes });
      },
    onVerified:
      ({ name }: Part) =>
      (doneBytes: number) => {
        verified.set(name, doneBytes);
        onProgress({ phase: "verifying", doneBytes: sum(verified), totalBytes: toVerify });
      },
  };
}
