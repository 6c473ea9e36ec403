// Hands documents to a device, and sees to it that they have the say there: somebody else may have ordered meanwhile.
import type { OrdersTaken } from "../../../agent/api/orders.ts";
import { HamletError } from "../../../system/error.ts";
import type { Device } from "../../terminal/device.ts";

type One = OrdersTaken["taken"][number];
/** `already`: nothing changed there, because it is so. */
export type Handed = "new" | "already";

export type Handing = {
  /** What to do if another order has the say. */
  hint: string;
  /** Whoever has ordered it before can only have ordered the same. */
  isSameByAnyone?: boolean;
};

/** Throws `order.overtaken`. */
export async function hand(
  device: Pick<Device, "order" | "found">,
  documents: readonly string[],
  { hint, isSameByAnyone = false }: Handing,
): Promise<Handed> {
  const taken = await device.order(documents);
  const isSo = (one: One) => hasTheSay(one) || (isSameByAnyone && one.outcome === "known");
  if (!taken.every(isSo)) {
    throw new HamletError(
      "order.overtaken",
      `somebody else has ordered meanwhile: this order does not count at ${device.found}`,
      { hint, exitCode: 3 },
    );
  }
  return taken.some(({ outcome }) => outcome === "new") ? "new" : "already";
}

export const hasTheSay = ({ outcome, counts = outcome === "new" }: One): boolean => counts;

/** For a device that is itself turned away or put out. Throws `order.toItself`. */
export function refuseItself(found: string): never {
  throw new HamletError("order.toItself", `${found} goes itself by this order, and need not tell the others`, {
    hint: "name a member that stays: --device <member>",
    exitCode: 3,
  });
}
