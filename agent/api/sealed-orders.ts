// Orders on the link are sealed to the device that takes them: each names the neighborhood's id, which strangers must not learn.
// The device signs a receipt, because whoever answers in its place could swallow a revocation.
import { sealTo } from "../../provisioning/trust/sealed-box.ts";
import { boxKeyOfDevice } from "../../provisioning/trust/wireguard-key.ts";
import { explainIssues, parseJson } from "../../system/files.ts";
import { type AskedDevice, meet, readSealed } from "./asked-device.ts";
import { otherVersion } from "./errors.ts";
import { maxOrders, OrdersTaken, ordersPath } from "./orders.ts";

/** A device takes 64 KiB, and sealing makes them longer by more than a third. */
const maxChars = 40 << 10;

/** Resolves once the device has signed that it took all of them. Throws `device.noAnswer`, `document.refused` or the device's refusal. */
export async function orderSealed(device: AskedDevice, documents: readonly string[]): Promise<OrdersTaken["taken"]> {
  const { reply } = await meet(device);
  const taken: OrdersTaken["taken"] = [];
  for (const part of parts(documents)) {
    const box = await sealTo(boxKeyOfDevice(device.deviceKey), { documents: part, replyKey: reply.publicKey });
    const text = await readSealed(device, await device.post(ordersPath, { box }), { to: box, reply });
    const parsed = OrdersTaken.safeParse(parseJson(text));
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
