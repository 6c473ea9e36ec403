// How each kind of order is verified, and what it adds to what is held.
import { verifyForget } from "../../provisioning/trust/forget.ts";
import { verifyHold } from "../../provisioning/trust/hold.ts";
import { digestOf } from "../../provisioning/trust/jws.ts";
import { verifyOperator } from "../../provisioning/trust/operator.ts";
import type { Authority, OrderFields, Signed } from "../../provisioning/trust/order.ts";
import { verifyRollout } from "../../provisioning/trust/rollout.ts";
import { addForget, addHold, addOperator, addRollout, type Held } from "./held.ts";

export type OrderName = "operator" | "rollout" | "hold" | "forget";

/** Throws `Refusal`; so may what it returns. */
export type Reading = (
  jws: string,
  authority: Authority,
  isDone: (rollout: string) => boolean,
) => Promise<(held: Held) => Held>;

export const readings: Record<OrderName, Reading> = {
  async operator(jws, { neighborhood, revocations }) {
    const content = await verifyOperator(jws, neighborhood, revocations);
    return (held) => addOperator(held, { content, jws, digest: digestOf(jws) });
  },
  async rollout(jws, authority, isDone) {
    const order = await verifyRollout(jws, authority);
    return (held) => withOperator(addRollout(held, order, isDone), order);
  },
  async hold(jws, authority) {
    const order = await verifyHold(jws, authority);
    return (held) => withOperator(addHold(held, order), order);
  },
  async forget(jws, authority) {
    const order = await verifyForget(jws, authority);
    return (held) => withOperator(addForget(held, order), order);
  },
};

/** The certificate that came with an order is kept too, for orders that come without. */
function withOperator(held: Held, { content, operator }: Signed<OrderFields>): Held {
  const { certificate } = content;
  if (certificate === undefined || held.operators.documents.has(content.operator)) return held;
  return addOperator(held, { content: operator, jws: certificate, digest: digestOf(certificate) });
}
