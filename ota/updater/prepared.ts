// A release that an earlier boot made ready: whether the other slot still holds all of it. Nothing is fetched or written.
import type { BootControl, Candidate, Slot } from "../../image/boot/boot-control.ts";
import { HamletError } from "../../system/error.ts";
import type { Manifest } from "../format/manifest.ts";
import type { PlaceValues } from "../format/places.ts";
import { isWhole } from "./earlier.ts";
import type { InstallDoors } from "./install.ts";
import { isPart } from "./part-content.ts";
import type { OnProgress } from "./progress.ts";

type Doors = Pick<InstallDoors, "openPart" | "diskSignature"> & { control: Pick<BootControl, "prepare"> };

/** The kernel is the one that boot control has, which it compares before each use. */
export function candidateOf(
  { version, parts }: Manifest,
  slot: Slot,
  { diskSignature }: Pick<Doors, "diskSignature">,
): Candidate {
  const part = parts.find(({ name }) => name === "kernel");
  if (!part) return { version };
  const values: PlaceValues = { slot, disk: diskSignature ?? "" };
  const kernel = {
    sizeBytes: part.sizeBytes,
    read(): AsyncIterable<Buffer> {
      throw notWhole("the kernel");
    },
    isSame: (bytes: AsyncIterable<Buffer>) => isPart(bytes, part, values),
  };
  return { version, kernel };
}

/** Throws `update.verifyFailed` unless the slot holds the release, and what boot control refuses. */
export async function verifyPrepared(
  manifest: Manifest,
  slot: Slot,
  doors: Doors,
  onProgress: OnProgress,
): Promise<void> {
  const { openPart, diskSignature, control } = doors;
  const values: PlaceValues = { slot, disk: diskSignature ?? "" };
  for (const part of manifest.parts) {
    if (part.name === "kernel") continue;
    const target = await openPart(`${part.name}-${slot}`);
    try {
      if (part.name === "root") {
        const tree = await openPart(`verity-${slot}`);
        try {
          if (!(await isWhole(target, tree, manifest, onProgress))) throw notWhole("root");
        } finally {
          await tree.close();
        }
      } else if (part.sizeBytes > target.sizeBytes || !(await isPart(target.readBack(part.sizeBytes), part, values))) {
        throw notWhole(part.name);
      }
    } finally {
      await target.close();
    }
  }
  await control.prepare(slot, candidateOf(manifest, slot, doors));
}

const notWhole = (what: string) =>
  new HamletError("update.verifyFailed", `${what} is not what was verified before the restart`, {
    hint: "nothing to do: it is written again",
  });
