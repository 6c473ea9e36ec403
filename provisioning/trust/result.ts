// A device's own word on how a rollout went for it. Nobody can give it in its place.
import { z } from "zod";
import { Id, ReleaseVersion } from "./fields.ts";
import { readUnverified, sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import { Refusal } from "./refusal.ts";

export const RolloutResult = z.object({
  v: z.literal(1),
  neighborhood: Id,
  device: Id,
  number: z
    .int()
    .min(1)
    .max(2 ** 40)
    .describe("counts this device's words: a higher one takes the place of all before"),
  rollout: z.string().regex(/^[\w-]{22}$/, "is not a rollout's id"),
  order: z.int().min(1).describe("number of the rollout's order that the device acted under"),
  release: ReleaseVersion,
  outcome: z
    .enum(["began", "updated", "failed", "fellBack", "stayed", "unfit"])
    .describe(
      "stayed: it began or is to begin, and runs the release before for a reason that says nothing of this one",
    ),
  check: z
    .string()
    .max(64)
    // It is shown in a command that people copy.
    .regex(/^[A-Za-z][A-Za-z.]*$/, "is not a code")
    .exactOptional()
    .describe("code of the check that failed, of why the release is unfit, or of what keeps the device"),
  trialSeconds: z.int().min(60).max(480).exactOptional().describe("of one that began: how long its trial may take"),
  bootId: z.string().max(64),
  rootHash: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "is not a root hash")
    .exactOptional()
    .describe("of the root filesystem that runs"),
});
export type RolloutResult = z.infer<typeof RolloutResult>;
export const maxResultChars = 2 << 10;

export const signResult = (result: RolloutResult, device: SigningKey): Promise<string> =>
  sign("hamlet-result", result, device);

/** Throws `Refusal` unless the device itself signed it here. `deviceKeys`: those of the known members, by id. */
export async function verifyResult(
  jws: string,
  neighborhood: string,
  deviceKeys: (id: string) => string | undefined,
): Promise<RolloutResult> {
  const claimed = readUnverified("hamlet-result", jws, RolloutResult);
  if (claimed.neighborhood !== neighborhood) throw new Refusal("wrongNeighborhood", "a result of another neighborhood");
  const key = deviceKeys(claimed.device);
  if (key === undefined) throw new Refusal("idMismatch", `a result of ${claimed.device}, which is no member here`);
  return verify("hamlet-result", jws, key, RolloutResult);
}
