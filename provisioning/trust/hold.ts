// A hold: a device, or all of them, take no update for a while. One document a device; the highest number counts.
import { z } from "zod";
import { EpochMs, Id } from "./fields.ts";
import type { SigningKey } from "./keys.ts";
import { type Authority, orderFields, Reason, type Signed, signOrder, verifyOrder } from "./order.ts";

export const Hold = z.strictObject({
  ...orderFields,
  device: z.union([Id, z.literal("all")]),
  until: EpochMs.describe("ms since 1970; 0 ends the hold"),
  reason: Reason,
});
export type Hold = z.infer<typeof Hold>;
export const maxHoldChars = 4 << 10;

export const signHold = (hold: Hold, operator: SigningKey): Promise<string> => signOrder("hamlet-hold", hold, operator);

/** Throws `Refusal`. */
export const verifyHold = (jws: string, authority: Authority): Promise<Signed<Hold>> =>
  verifyOrder("hamlet-hold", jws, Hold, authority);

/** The hold that keeps this device from updating at `nowMs`: the one that lasts longest. */
export function holdOn<T extends Pick<Hold, "device" | "until">>(
  holds: readonly T[],
  device: string,
  nowMs: number,
): T | undefined {
  const active = holds.filter((hold) => (hold.device === device || hold.device === "all") && hold.until > nowMs);
  return active.toSorted((one, other) => other.until - one.until)[0];
}
