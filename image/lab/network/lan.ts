// The virtual home's LAN: a hub with a DHCP server.
import { labLan, reserve, serveDhcp } from "./dhcp.ts";
import { type Hub, makeHub } from "./hub.ts";

/** Each of `macs` gets a fixed address, other hosts one from the pool. */
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
