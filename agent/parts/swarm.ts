// The swarm as this device takes part in it: it lends at its mesh address, and borrows from members that are alive.
import { plainAddress } from "../../system/address.ts";
import { describeError } from "../../system/error.ts";
import { makeLog } from "../../system/log.ts";
import type { Membership } from "../membership/membership.ts";
import { openBorrower } from "../swarm/borrower.ts";
import { openCounter } from "../swarm/counter.ts";
import type { Scope } from "./scope.ts";

/** Without its port the device lends nothing; it borrows all the same. */
export async function joinSwarm(
  { config, identity, warnings, clock, swarm, ended }: Scope,
  { membership, alive }: { membership: Membership; alive(): string[] },
): Promise<void> {
  const { id: self, address } = identity;
  const { lendPort: port } = config.update;
  const others = () =>
    alive().flatMap((id) => {
      const member = id === self ? undefined : membership.members().get(id);
      return member ? [{ id, name: member.name, address: plainAddress(member.address) }] : [];
    });
  const memberAt = (from: string) =>
    [...membership.members()].find(([id, member]) => id !== self && plainAddress(member.address) === from)?.[0];
  try {
    const counter = await openCounter({
      address,
      port,
      memberAt,
      serve: swarm.lending,
      clock,
      log: makeLog("lending"),
    });
    ended.push(() => counter.close());
    warnings.clear("port.taken", "lending");
  } catch (error) {
    const hint = "free the port or set update.lendPort on every device; updates work without it";
    warnings.raise("port.taken", `this device lends no releases: ${describeError(error)}`, hint, "lending");
  }
  const borrower = openBorrower({ localAddress: address, port, clock });
  swarm.join({ self, others, borrower });
  ended.push(() => {
    swarm.leave();
    borrower.close();
  });
}
