// What a publisher says of a release for homes that have no operator: they take it by themselves, in these waves. It is part of the
// release's manifest, so TUF signs it. A device takes it whole or, if it knows a word of it not, as if it were not there.
// Pure.
import { z } from "zod";
import { ReleaseVersion } from "./fields.ts";
import { Rollout } from "./rollout.ts";

const { waves, soakSeconds, successPercent, maxFailures, window } = Rollout.shape;
export const RolloutPolicy = z.strictObject({
  kind: z.literal("auto"),
  ...{ waves, soakSeconds, successPercent, maxFailures },
  window: window.describe("by each device's own time zone; a device that has none is free at any hour"),
});
export type RolloutPolicy = z.infer<typeof RolloutPolicy>;

/** A release that takes itself to the homes of its publisher, as an updater has verified it. */
export const AutoRelease = z.object({
  release: ReleaseVersion,
  policy: RolloutPolicy,
  publisher: z.string().max(64).describe("digest of the keys of the release root that this device was given"),
});
export type AutoRelease = z.infer<typeof AutoRelease>;
