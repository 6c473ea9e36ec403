// Makes the bytes of a step from a frame of the pack. The updater reads the dictionary from the running release, which the agent cannot,
// and the agent fetches the frame and unpacks it. Whatever goes wrong costs chunks, never the update.
import type { PackedRequest } from "../../provisioning/handover/update.ts";
import { HamletError } from "../../system/error.ts";
import type { OldPart, Recipe } from "../format/recipe.ts";
import { readCleared } from "./own-places.ts";
import type { PlacedStep } from "./plan.ts";

export type Unpack = {
  /** Undefined if this step, or all that are left, must be made without the pack. Throws what the agent answers. */
  make(step: PlacedStep & { kind: "packed" }): Promise<Buffer | undefined>;
  /** Chunks came while the agent could not get the frame. */
  giveUp(): void;
};
export type UnpackDoors = {
  pack: Recipe["pack"];
  readOld(part: OldPart, offset: number, length: number): Promise<Buffer | undefined>;
  fetchPacked(request: PackedRequest, dictionary: Buffer): Promise<Buffer>;
  /** What the steps that are left would cost without the pack. */
  insteadBytes(): number;
  onLost(): void;
};

/** Steps one after the other that went wrong: then the next ones would only cost twice. */
const maxFailures = 8;

export function makeUnpack({ pack, readOld, fetchPacked, insteadBytes, onLost }: UnpackDoors): Unpack {
  let [isLost, failures] = [false, 0];
  const lose = () => {
    if (!isLost) onLost();
    isLost = true;
  };
  const failedOnce = () => {
    failures += 1;
    if (failures >= maxFailures) lose();
    return undefined;
  };
  return {
    async make({ from, sha256, length, pack: frame }) {
      if (!pack || isLost) return undefined;
      // A root filesystem has no places.
      const read = from.part === "root" ? readOld(from.part, from.offset, from.length) : readCleared(readOld, from);
      const dictionary = await read;
      if (dictionary?.length !== from.length) return failedOnce();
      const request = { pack, frame, sha256, sizeBytes: length, insteadBytes: insteadBytes() };
      try {
        const bytes = await fetchPacked(request, dictionary);
        failures = 0;
        return bytes;
      } catch (error) {
        switch (error instanceof HamletError ? error.code : undefined) {
          case "update.badObject":
            return failedOnce();
          case "update.notThere":
          case "update.noRanges":
            lose();
            return undefined;
          default:
            throw error;
        }
      }
    },
    giveUp: lose,
  };
}
