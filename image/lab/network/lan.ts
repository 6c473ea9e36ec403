// The virtual home's LAN: the hub, with a DHCP server on it.
import { labLan, reserve, serveDhcp } from "./dhcp.ts";
import { type Hub, makeHub } from "./hub.ts";

/** A hub that gives each of `macs` its own address and strangers one of the pool. */
export function makeLan(macs: string[]): Hub {
  const hub = makeHub();
  let leases = reserve(labLan, macs);
  const send = hub.attach("dhcp", (frame) => {
    const [next, answer] = serveDhcp(labLan, leases, frame);
    leases = next;
    if (answer) send(answer);
  });
  return hub;
}
