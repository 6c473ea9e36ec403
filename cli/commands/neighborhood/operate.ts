// What every command of an operator does: it asks a device what has been ordered, signs the next order, and hands it over.
import type { OrdersStatus } from "../../../agent/api/orders.ts";
import type { Status } from "../../../agent/api/schema.ts";
import type { Operator } from "../../../provisioning/trust/order.ts";
import { HamletError } from "../../../system/error.ts";
import type { Context, Values } from "../../terminal/command.ts";
import { findDevice } from "../../terminal/device.ts";
import { type Handed, type Handing, hand } from "./hand.ts";
import { type Owned, ownedNeighborhood, refuseOtherNeighborhood } from "./owner.ts";

export type Operating = {
  owned: Owned;
  members: Status["members"];
  orders: OrdersStatus;
  /** How the rollout stands that is under way, or was the last. */
  rollout: Status["rollout"];
  /** Opens the operator key, which asks for the passphrase. */
  operator(): Promise<Operator>;
  /** Throws `order.overtaken`. */
  hand(document: string, handing?: Partial<Handing>): Promise<Handed>;
};

const again = "see how it stands with hamlet status, and run the command again if you still mean it";

/** Throws `provision.otherNeighborhood` for a device of another one. */
export async function operate(
  values: Values,
  { progress }: Context,
  act: (operating: Operating) => Promise<void>,
): Promise<number> {
  const owned = await ownedNeighborhood(values);
  const device = await findDevice(values, owned);
  try {
    // A device on the link asks for the passphrase first.
    if (!device.owner) progress.stage("asking what has been ordered");
    const status = await device.status();
    progress.end();
    refuseOtherNeighborhood(owned, status, device.found);
    const { members, rollout, orders = { rollouts: [], digests: [], holds: [], forgets: [], operators: [] } } = status;
    await act({
      ...{ owned, members, orders, rollout, operator: owned.operator },
      hand: (document, handing) => hand(device, [document], { hint: again, ...handing }),
    });
    return 0;
  } finally {
    device.close();
  }
}

/** The member of this name or id. Throws `device.unknown`. */
export function memberNamed(members: Status["members"], wanted: string): Status["members"][number] {
  const member = members.find(({ id, name }) => id === wanted || name === wanted);
  if (member) return member;
  throw new HamletError("device.unknown", `there is no member ${wanted}`, {
    hint: `those that are: ${members.map(({ name }) => name).join(", ")}`,
  });
}
