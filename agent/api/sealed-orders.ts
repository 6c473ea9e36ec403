// Orders on the link are sealed to the device that takes them: each names the neighborhood's id, which strangers must not learn.
import { sealTo } from "../../provisioning/trust/sealed-box.ts";
import { boxKeyOfDevice } from "../../provisioning/trust/wireguard-key.ts";
import { explainIssues } from "../../system/files.ts";
import { otherVersion } from "./errors.ts";
import { maxOrders, OrdersTaken, ordersPath } from "./orders.ts";

/** A device takes 64 KiB, and sealing makes them longer by more than a third. */
const maxChars = 40 << 10;

/** Resolves once the device has taken all of them. Throws `device.noAnswer` or the device's refusal. */
export async function orderSealed(
  deviceKey: string,
  documents: readonly string[],
  post: (path: typeof ordersPath, body: object) => Promise<unknown>,
): Promise<OrdersTaken["taken"]> {
  const taken: OrdersTaken["taken"] = [];
  for (const part of parts(documents)) {
    const box = await sealTo(boxKeyOfDevice(deviceKey), { documents: part });
    const parsed = OrdersTaken.safeParse(await post(ordersPath, { box }));
    if (!parsed.success) throw otherVersion(explainIssues(parsed.error));
    taken.push(...parsed.data.taken);
  }
  return taken;
}

function parts(documents: readonly string[]): string[][] {
  const all: string[][] = [];
  let left = 0;
  for (const document of documents) {
    left -= document.length;
    if (left < 0 || all.at(-1)!.length === maxOrders) {
      all.push([]);
      left = maxChars - document.length;
    }
    all.at(-1)!.push(document);
  }
  return all;
}
