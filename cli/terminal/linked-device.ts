// A device on the link, asked by a computer that may be no member: it shows strangers its public page, and answers its owner's signed questions.
import { type AskQuestion, makeAsker } from "../../agent/api/asker.ts";
import { agentClient, readStatus } from "../../agent/api/client.ts";
import { publicPageOnly } from "../../agent/api/errors.ts";
import type { PublicStatus, Status } from "../../agent/api/schema.ts";
import { systemClock } from "../../system/clock.ts";
import { HamletError } from "../../system/error.ts";
import type { Where } from "../../system/http/ask.ts";
import { type Owned, ownedNeighborhood } from "../commands/neighborhood/owner.ts";
import type { Values } from "./command.ts";

export function linkedDevice(address: string, where: Where, values: Values) {
  const { look, order, question } = agentClient({ who: address, where: () => where });
  let asking: Promise<AskQuestion> | undefined;
  /** Asks for the passphrase, once. */
  const askerOf = (seen: Status | PublicStatus): Promise<AskQuestion> => (asking ??= openAsker(seen));
  const openAsker = async (seen: Status | PublicStatus): Promise<AskQuestion> => {
    const { deviceKey } = "self" in seen ? seen.self : seen;
    if (deviceKey === undefined) throw publicPageOnly(address);
    const { keys, revocations, asker } = await ownerAsked(values, address);
    return makeAsker({
      ...{ who: address, deviceKey, post: question, neighborhood: keys, revocations },
      ...{ asker: await asker(), clock: systemClock },
    });
  };
  return {
    found: address,
    ...{ look, order },
    async status(): Promise<Status> {
      const seen = asking ? undefined : await look();
      if (seen && "members" in seen) return seen;
      const ask = await (seen ? askerOf(seen) : asking!);
      return readStatus(address, await ask("status", {}));
    },
    close() {},
  };
}

/** Throws `device.noAnswer` for a computer that has no neighborhood's keys. */
async function ownerAsked(values: Values, who: string): Promise<Owned> {
  try {
    return await ownedNeighborhood(values);
  } catch (error) {
    const isNone = error instanceof HamletError && error.code === "neighborhood.notFound";
    throw isNone && values["neighborhood"] === undefined ? publicPageOnly(who) : error;
  }
}
