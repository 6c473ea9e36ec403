// A forget: the operator's word that nobody shall wait for a device that is gone. It stays a member; the forget ends when the device has
// heard of it (comeback.ts).
import { z } from "zod";
import { Id } from "./fields.ts";
import type { SigningKey } from "./keys.ts";
import { type Authority, orderFields, type Signed, signOrder, verifyOrder } from "./order.ts";

export const Forget = z.strictObject({ ...orderFields, device: Id });
export type Forget = z.infer<typeof Forget>;
export const maxForgetChars = 4 << 10;

export const signForget = (forget: Forget, operator: SigningKey): Promise<string> =>
  signOrder("hamlet-forget", forget, operator);

/** Throws `Refusal`. */
export const verifyForget = (jws: string, authority: Authority): Promise<Signed<Forget>> =>
  verifyOrder("hamlet-forget", jws, Forget, authority);
