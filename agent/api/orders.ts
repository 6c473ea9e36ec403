// Orders as they travel: documents that the root or an operator has signed, by POST to any device on the link or to its own socket.
// Pure.
import { z } from "zod";
import { Digest, Jws, PublicKey } from "../../provisioning/trust/fields.ts";
import { Forget } from "../../provisioning/trust/forget.ts";
import { Hold } from "../../provisioning/trust/hold.ts";
import { Rollout } from "../../provisioning/trust/rollout.ts";
import type { Orders as HeldOrders } from "../orders/orders.ts";

export const ordersPath = "/v1/orders";
export const maxOrders = 64;
export const Orders = z.strictObject({ documents: z.array(Jws).min(1).max(maxOrders) });
/** In the box of those that come sealed to the device. `replyKey`: X25519, what its receipt is sealed to. */
export const SealedOrders = Orders.extend({ replyKey: PublicKey });
export const OrdersTaken = z.object({
  taken: z.array(
    z.object({
      kind: z.string(),
      outcome: z.enum(["new", "known"]),
      counts: z.boolean().exactOptional().describe("it has the say at this device; absent if that does not tell"),
    }),
  ),
});
export type OrdersTaken = z.infer<typeof OrdersTaken>;

const by = z.string().describe("name of the operator who signed it");
/** What operators have ordered, as this device heard it. */
export const OrdersStatus = z.object({
  rollouts: z
    .array(
      z.object({
        rollout: Rollout.omit({ certificate: true }).describe("as it was signed last"),
        state: Rollout.shape.state.describe("what counts"),
        because: z.enum(["operatorsDisagree", "operatorRevoked"]).exactOptional().describe("why it is paused anyway"),
        operators: z.array(z.string()).describe("names of who signed it: two if they disagree"),
      }),
    )
    .describe("the one that started first in front"),
  digests: z
    .array(z.object({ operator: PublicKey, digest: Digest }))
    .default([])
    .describe("of the signed rollouts: what the revocation of their operator names"),
  holds: z.array(z.object({ hold: Hold.omit({ certificate: true }), operator: by })),
  forgets: z.array(
    z.object({
      forget: Forget.omit({ certificate: true }),
      operator: by,
      isBack: z.boolean().exactOptional().describe("the device has come back since, so that it counts as any other"),
    }),
  ),
  operators: z.array(z.object({ name: z.string(), key: z.string(), isRevoked: z.boolean() })),
});
export type OrdersStatus = z.infer<typeof OrdersStatus>;

export const ordersStatusOf = (
  orders: Pick<HeldOrders, "rollouts" | "rolloutDigests" | "holds" | "forgets" | "operators">,
): OrdersStatus => ({
  rollouts: orders
    .rollouts()
    .map((order) => ({ ...order, rollout: bare(order.rollout), operators: [...order.operators] })),
  digests: orders.rolloutDigests(),
  holds: orders.holds().map(({ hold, operator }) => ({ hold: bare(hold), operator })),
  forgets: orders.forgets().map(({ forget, operator, isBack }) => ({ forget: bare(forget), operator, isBack })),
  operators: orders.operators(),
});

/** Nobody reads a certificate. */
const bare = <T extends { certificate?: string }>({ certificate: _, ...content }: T): Omit<T, "certificate"> => content;
