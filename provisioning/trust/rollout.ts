// A rollout: which release the neighborhood takes, in which waves, and when it must stop. Each change of it is the whole document again
// under the next number.
import { z } from "zod";
import { EpochMs, ReleaseVersion, Tag } from "./fields.ts";
import type { SigningKey } from "./keys.ts";
import { type Authority, orderFields, type Signed, signOrder, verifyOrder } from "./order.ts";

const dayS = 86_400;
export const Wave = z
  .union([z.literal("canary"), z.int().min(1).max(100)])
  .describe("one device, or this share of all in percent");
export type Wave = z.infer<typeof Wave>;
const time = "([01][0-9]|2[0-3]):[0-5][0-9]";

export const Rollout = z.strictObject({
  ...orderFields,
  rollout: z.string().regex(/^[\w-]{22}$/, "is not a rollout's id"),
  startedAt: EpochMs.describe("when its first document was signed: of two rollouts the one that started later waits"),
  state: z.enum(["running", "paused", "aborted"]),
  promoted: z.int().min(0).max(16).describe("how many waves need no soak and no threshold any more"),
  release: ReleaseVersion,
  waves: z.array(Wave).min(1).max(16).refine(isRising, "do not rise: canary, then growing percentages"),
  soakSeconds: z
    .int()
    .min(0)
    .max(30 * dayS),
  successPercent: z.int().min(1).max(100),
  maxFailures: z.int().min(0).max(10_000).exactOptional().describe("the failure with this number stops it"),
  maxUnavailable: z.int().min(1).max(10_000),
  window: z
    .string()
    .regex(new RegExp(`^${time}-${time}$`), "is not a time of day such as 02:00-05:00")
    .refine((window) => window.slice(0, 5) !== window.slice(6), "has no length")
    .exactOptional()
    .describe("local time of each device"),
  tag: Tag.exactOptional().describe("only devices whose token has this tag"),
});
export type Rollout = z.infer<typeof Rollout>;

/** A document with its certificate, sixteen waves and the longest names is half as long. */
export const maxRolloutChars = 4 << 10;

function isRising(waves: readonly Wave[]): boolean {
  const shares = waves.map((wave) => (wave === "canary" ? 0 : wave));
  return shares.every((share, at) => at === 0 || share > shares[at - 1]!);
}

export const signRollout = (rollout: Rollout, operator: SigningKey): Promise<string> =>
  signOrder("hamlet-rollout", rollout, operator);

/** Throws `Refusal`. */
export const verifyRollout = (jws: string, authority: Authority): Promise<Signed<Rollout>> =>
  verifyOrder("hamlet-rollout", jws, Rollout, authority);
