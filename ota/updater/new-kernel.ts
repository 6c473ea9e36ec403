// The kernel of a release as boot control takes it: a stream made by the recipe, filled in for this device.
import type { NewKernel } from "../../image/boot/boot-control.ts";
import { free } from "../../system/free.ts";
import { fillPlaces, type PlaceValues } from "../format/places.ts";
import { makeAhead } from "./making.ts";
import { isPart } from "./part-content.ts";
import type { PartPlan, PlacedStep } from "./plan.ts";
import type { OnDone } from "./slot-writer.ts";

export const kernelOf = (
  { part, steps }: PartPlan,
  values: PlaceValues,
  make: (step: PlacedStep) => Promise<Buffer>,
  onDone: OnDone,
): NewKernel => ({
  sizeBytes: part.sizeBytes,
  async *read() {
    for await (const { step, bytes } of makeAhead(steps, make)) {
      fillPlaces(bytes, step.offset, part.places, values);
      yield bytes;
      free(bytes);
      onDone(step.offset + step.length);
    }
  },
  isSame: (bytes) => isPart(bytes, part, values),
});
