// Installs a release into the other slot: marks the slot bad, writes and verifies each part, and leaves it ready to be staged.
// Nothing is armed here, and the running slot is only read.
import { type BootControl, type Candidate, otherSlot, type Slot, unjudged } from "../../image/boot/boot-control.ts";
import { HamletError } from "../../system/error.ts";
import { type Manifest, recipeFor } from "../format/manifest.ts";
import type { PlaceValues } from "../format/places.ts";
import { type OpenRecipe, openRecipe } from "../format/recipe.ts";
import { treeBytes } from "../format/verity.ts";
import type { AgentDoor, ObjectRef } from "./agent-door.ts";
import { type Cost, countCost } from "./cost.ts";
import { makeStep, patiently, type Sources } from "./making.ts";
import { kernelOf } from "./new-kernel.ts";
import type { OldRelease } from "./old-release.ts";
import { makeUnpack } from "./packed-step.ts";
import { type PartPlan, type PlacedStep, planParts, stepsCovering } from "./plan.ts";
import { countProgress, type OnProgress } from "./progress.ts";
import type { SlotPart } from "./slot-part.ts";
import { finishPart, verifyPart, verifyRoot, writePart } from "./slot-writer.ts";

export type InstallDoors = {
  control: BootControl;
  /** Opens a part of a slot to write it: `root-b`, `verity-b`, `boot-b`. */
  openPart(label: string): Promise<SlotPart>;
  openOld(slot: Slot): OldRelease;
  door: Pick<AgentDoor, "object" | "packed">;
  /** Of the running slot. */
  rootHash: string | undefined;
  /** The signature of a Pi's disk. */
  diskSignature: string | undefined;
  sleep(ms: number): Promise<void>;
  random(): number;
};

export type Installed = { slot: Slot; candidate: Candidate };

/** Throws `update.noRoom`, `update.writeFailed`, `update.verifyFailed`, boot control's codes, and those of what is fetched. */
export async function install(manifest: Manifest, doors: InstallDoors, onProgress: OnProgress): Promise<Installed> {
  const { control } = doors;
  const running = await control.current();
  // The other slot is the one to go back to. On a Raspberry Pi nothing but this protects it.
  if (running.phase === "trying") throw unjudged(running);
  const slot = otherSlot(running.slot);
  await checkRoom(manifest, slot, doors);
  // From here on nothing starts the slot, whatever it contains.
  await control.markBad();
  const old = doors.openOld(running.slot);
  try {
    const values: PlaceValues = { slot, disk: doors.diskSignature ?? "" };
    const { fetchBytes } = recipeFor(manifest, undefined);
    const partBytes = manifest.parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const cost = countCost(fetchBytes && fetchBytes / partBytes);
    const progress = countProgress(manifest.parts, cost, onProgress);
    const recipe = await fetchRecipe(manifest, doors.rootHash, doors, cost);
    const plans = planParts(manifest.parts, recipe);
    const sources = sourcesOf(manifest, recipe.pack, doors, old, cost);
    const make = async (step: PlacedStep) => {
      const bytes = await makeStep(step, sources);
      cost.done(step);
      return bytes;
    };
    for (const { steps } of plans) cost.expect(steps);
    // The agent knows the forecast before it fetches the first byte.
    await progress.begin();
    let candidate: Candidate = { version: manifest.version };
    // The kernel first: whether the EFI partition has room for it shows before the long part begins.
    for (const plan of plans.filter(({ part }) => part.name === "kernel")) {
      candidate = { ...candidate, kernel: kernelOf(plan, values, make, progress.onWritten(plan.part)) };
      await control.prepare(slot, candidate);
      // It may have been there already.
      for (const step of plan.steps) cost.done(step);
      progress.onWritten(plan.part)(plan.part.sizeBytes);
    }
    for (const plan of plans.filter(({ part }) => part.name !== "kernel")) {
      await installPart(plan, manifest, slot, doors, values, make, progress, cost.done);
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
  onFound: (step: PlacedStep) => void,
): Promise<void> {
  const { part } = plan;
  const target = await doors.openPart(`${part.name}-${slot}`);
  try {
    const written = await writePart(target, plan, values, make, progress.onWritten(part), onFound);
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

async function fetchRecipe(
  manifest: Manifest,
  from: string | undefined,
  { door, ...patience }: InstallDoors,
  cost: Cost,
): Promise<OpenRecipe> {
  const bytes = await patiently(() => door.object(recipeFor(manifest, from), cost.carried), patience);
  return openRecipe(bytes, manifest.parts);
}

function sourcesOf(
  manifest: Manifest,
  pack: OpenRecipe["pack"],
  doors: InstallDoors,
  { read: readOld }: OldRelease,
  cost: Cost,
): Sources {
  const { door, sleep, random } = doors;
  /** Fetches, and returns what the network carried for it as well. */
  const counted = async (fetch: (onCarried: (bytes: number) => void) => Promise<Buffer>) => {
    let carriedBytes = 0;
    const content = await fetch((bytes) => {
      carriedBytes += bytes;
      cost.carried(bytes);
    });
    return { content, carriedBytes };
  };
  let whole: Promise<PartPlan[]> | undefined;
  const readWhole = async () => planParts(manifest.parts, await fetchRecipe(manifest, undefined, doors, cost));
  return {
    ...{ readOld, sleep, random },
    async fetch(ref: ObjectRef) {
      const { content, carriedBytes } = await counted((onCarried) => door.object(ref, onCarried));
      cost.chunkCame(content.length, carriedBytes);
      return content;
    },
    unpack: makeUnpack({
      ...{ pack, readOld, insteadBytes: cost.insteadOfPack, onLost: () => cost.packIs("lost") },
      async fetchPacked(request, dictionary) {
        const { content, carriedBytes } = await counted((onCarried) => door.packed(request, dictionary, onCarried));
        if (carriedBytes >= request.pack.sizeBytes) cost.packIs("here");
        return content;
      },
    }),
    async wholeSteps(at, length) {
      whole ??= readWhole();
      // A failure is not for ever.
      whole.catch(() => {
        whole = undefined;
      });
      return stepsCovering(await whole, at, length);
    },
  };
}
