// What a device does that was forgotten and is back: it says so with its own key, once it has heard of it.
import { signComeback } from "../../provisioning/trust/comeback.ts";
import type { Log } from "../../system/log.ts";
import { mayCountAgain } from "../cluster/leases/list.ts";
import type { Identity } from "../identity.ts";
import type { Orders } from "./orders.ts";

export type ComingBack = {
  identity: Pick<Identity, "id" | "key" | "neighborhood">;
  orders: Pick<Orders, "forgets" | "take">;
  voters(): readonly string[];
  /** Devices that are gone for good, by the root's or an operator's word. */
  ended(): readonly string[];
  publish(kind: "comeback", id: string): void;
  log: Log;
};

/** To be called whenever orders or voters have changed. */
export async function comeBack({ identity, orders, voters, ended, publish, log }: ComingBack): Promise<void> {
  const { id, key, neighborhood } = identity;
  const own = orders.forgets().find(({ forget, isBack }) => forget.device === id && !isBack);
  if (!own || !mayCountAgain(voters(), id, new Set(ended()))) return;
  if (!(await orders.take("comeback", await signComeback(neighborhood.id, own.digest, key)))) return;
  log.info(`${own.operator} had forgotten this device: it is back`);
  publish("comeback", id);
}
