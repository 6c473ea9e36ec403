// The owner's orders as they travel: documents that the root has signed, by POST to any device on the link or to its own socket.
// Pure.
import { z } from "zod";
import { Jws } from "../../provisioning/trust/fields.ts";

export const ordersPath = "/v1/orders";
export const Orders = z.strictObject({ documents: z.array(Jws).min(1).max(64) });
export const OrdersTaken = z.object({
  taken: z.array(z.object({ kind: z.enum(["adoption", "revocation"]), outcome: z.enum(["new", "known"]) })),
});
export type OrdersTaken = z.infer<typeof OrdersTaken>;
