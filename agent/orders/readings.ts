// How each kind of order is verified, and what it adds to what is held.
import { verifyComeback } from "../../provisioning/trust/comeback.ts";
import { verifyForget } from "../../provisioning/trust/forget.ts";
import { verifyHold } from "../../provisioning/trust/hold.ts";
import { digestOf } from "../../provisioning/trust/jws.ts";
import { verifyOperator } from "../../provisioning/trust/operator.ts";
import type { Authority, OrderFields, Signed } from "../../provisioning/trust/order.ts";
import { verifyRollout } from "../../provisioning/trust/rollout.ts";
import { addComeback } from "./comebacks.ts";
import { addForget, addHold, addOperator, addRollout, type Bounds, type Held } from "./held.ts";

export type OrderName = "operator" | "rollout" | "hold" | "forget" | "comeback";

/** Throws `Refusal`; so may what it returns. */
export type Reading = (jws: string, authority: Authority, bounds: Bounds) => Promise<(held: Held) => Held>;

export const readings: Record<OrderName, Reading> = {
  async operator(jws, { neighborhood, revocations }, bounds) {
    const content = await verifyOperator(jws, neighborhood, revocations);
    return (held) => addOperator(held, { content, jws, digest: digestOf(jws) }, bounds);
  },
  async rollout(jws, authority, bounds) {
    const order = await verifyRollout(jws, authority);
    return (held) => withOperator(addRollout(held, order, bounds), order, bounds);
  },
  async hold(jws, authority, bounds) {
    const order = await verifyHold(jws, authority);
    return (held) => withOperator(addHold(held, order, bounds), order, bounds);
  },
  async forget(jws, authority, bounds) {
    const order = await verifyForget(jws, authority);
    return (held) => withOperator(addForget(held, order, bounds), order, bounds);
  },
  async comeback(jws, { neighborhood }) {
    const { device, forget } = await verifyComeback(jws, neighborhood.id);
    return (held) => addComeback(held, device, { forget, jws });
  },
};

/** The certificate that came with an order is kept too, for orders that come without. */
function withOperator(held: Held, { content, operator }: Signed<OrderFields>, bounds: Bounds): Held {
  const { certificate } = content;
  if (certificate === undefined || held.operators.documents.has(content.operator)) return held;
  return addOperator(held, { content: operator, jws: certificate, digest: digestOf(certificate) }, bounds);
}
