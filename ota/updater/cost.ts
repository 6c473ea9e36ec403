// What an update costs the network: what it carried so far, and by estimate what it will have carried at the end.
// Pure.
import type { Step } from "../format/recipe.ts";
import type { PlacedStep } from "./plan.ts";

/** Of a root filesystem's chunks, by zstd. */
const usualRatio = 0.4;
/** How many bytes this ratio weighs beside chunks that came. */
const usualBytes = 1 << 20;
/** Heads of a request and its answer. */
const exchangeBytes = 500;

type Placed = Step & Pick<PlacedStep, "at">;
export type Cost = ReturnType<typeof countCost>;

/** `ratio`: of what the network carries for chunks to their contents, if the manifest says how much that is. */
export function countCost(ratio = usualRatio) {
  let carriedBytes = 0;
  const came = { carriedBytes: ratio * usualBytes, contentBytes: usualBytes };
  /** Their places. */
  const toDo = new Set<number>();
  /** Contents of the steps that are still to be made, and frames of their packs. */
  const left = { chunkBytes: 0, packedBytes: 0, frameBytes: 0, frames: 0 };
  /** `here`: the agent has all of it. `lost`: chunks instead. */
  let pack: "inParts" | "here" | "lost" = "inParts";
  const count = (step: Step, sign: 1 | -1) => {
    if (step.kind === "chunk") left.chunkBytes += sign * step.length;
    if (step.kind !== "packed") return;
    left.packedBytes += sign * step.length;
    left.frameBytes += sign * step.pack.length;
    left.frames += sign;
  };
  // A recipe does not say how far its chunks compress: like those before.
  const asChunks = (contentBytes: number) => contentBytes * (came.carriedBytes / came.contentBytes);
  const packLeft = () => {
    switch (pack) {
      case "inParts":
        return left.frameBytes + left.frames * exchangeBytes;
      case "here":
        return 0;
      case "lost":
        return asChunks(left.packedBytes);
    }
  };
  return {
    carried(bytes: number) {
      carriedBytes += bytes;
    },
    chunkCame(contentBytes: number, carried: number) {
      came.contentBytes += contentBytes;
      came.carriedBytes += carried;
    },
    expect(steps: Iterable<Placed>) {
      for (const step of steps) {
        toDo.add(step.at);
        count(step, 1);
      }
    },
    /** The step is made, or was there already. */
    done(step: Placed) {
      if (toDo.delete(step.at)) count(step, -1);
    },
    packIs(now: "here" | "lost") {
      pack = now;
    },
    /** What the steps that need the pack would cost without it. */
    insteadOfPack: () => Math.round(asChunks(left.packedBytes)),
    soFar: () => ({
      fetchedBytes: carriedBytes,
      forecastBytes: Math.round(carriedBytes + asChunks(left.chunkBytes) + packLeft()),
    }),
  };
}
