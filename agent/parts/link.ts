// How this device meets others on the link: greetings, the door that strangers knock at, and mDNS.
import { neighborhoodHint } from "../../provisioning/trust/names.ts";
import { makeLog } from "../../system/log.ts";
import { Acquaintances } from "../discovery/acquaintances.ts";
import { makeAnswering, makeSealedOrders } from "../discovery/answering.ts";
import { type Discovery, startDiscovery } from "../discovery/discovery.ts";
import { startDoorstep } from "../discovery/doorstep.ts";
import { type Greeter, startGreeter } from "../discovery/greeter.ts";
import { makeHearing } from "../discovery/hearing.ts";
import { makeMeeting } from "../discovery/meeting.ts";
import type { Membership } from "../membership/membership.ts";
import type { TakeOrders } from "../membership/orders.ts";
import type { Scope } from "./scope.ts";

export type Link = { greeter: Greeter; discovery: Discovery };

/** Everything that meets devices on the link: greetings, the door that strangers knock at, and mDNS. */
export async function meetNeighbors(
  { config, identity, page, answer, warnings, clock, ended }: Scope,
  {
    membership,
    order,
    isCommonName,
    isMemberAt,
  }: { membership: Membership; order: TakeOrders; isCommonName(): boolean; isMemberAt(address: string): boolean },
): Promise<Link> {
  const acquaintances = new Acquaintances(isMemberAt);
  const speaker = { id: identity.id, neighborhood: identity.neighborhood.id };
  const meeting = makeMeeting({ identity, membership });
  const greeter = startGreeter({ log: makeLog("hello"), greet: (place) => meeting.greet(place) });
  ended.push(() => greeter.stop());
  const doorstep = await startDoorstep({
    ports: [...new Set([config.link.helloPort, config.link.pagePort || config.link.helloPort])],
    hear: makeHearing({ ...speaker, wireguardKey: identity.wireguard.privateKey, clock, onHello: meeting.answer }),
    onOrders: order,
    onSealedOrders: makeSealedOrders(identity, order),
    onQuestion: makeAnswering({ identity, answer, clock, revocations: () => membership.revocations() }),
    page,
    acquaintances,
    log: makeLog("doorstep"),
    warnings,
  });
  ended.push(() => doorstep.stop());
  // Last: from here on others know where to knock.
  const { id, name, neighborhood, provision } = identity;
  const discovery = await startDiscovery({
    self: { id, name, hint: neighborhoodHint(neighborhood.id), helloPort: config.link.helloPort },
    seeds: [...config.seeds, ...(provision.seeds ?? [])],
    interfaces: config.link.interfaces,
    acquaintances,
    log: makeLog("discovery"),
    warnings,
    onNeighbor: (neighbor) => greeter.hint(neighbor),
    answersForAll: isCommonName,
  });
  ended.push(() => discovery.stop());
  return { greeter, discovery };
}
