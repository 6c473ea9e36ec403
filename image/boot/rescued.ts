// What the initrd notes when it leads from a committed slot that no longer starts to the other one (image/bundle/initrd/rescue).
import { z } from "zod";
import { TrialRecord } from "./trial-record.ts";

export const Rescued = z.strictObject({
  slot: TrialRecord.shape.slot.describe("the one that was left"),
  version: TrialRecord.shape.version,
  because: z.enum(["unverified", "panics"]),
});
export type Rescued = z.infer<typeof Rescued>;
