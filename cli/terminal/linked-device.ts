// A device on the link, asked by a computer that may be no member: it shows strangers its public page, and answers its owner's signed questions.
import type { AskedDevice } from "../../agent/api/asked-device.ts";
import { type AskQuestion, makeAsker } from "../../agent/api/asker.ts";
import {
  type AgentClient,
  agentClient,
  readStatus,
  readUpdateReport,
  type SendRequest,
} from "../../agent/api/client.ts";
import { otherVersion, publicPageOnly } from "../../agent/api/errors.ts";
import { questionFor, ResetNonce, type Taken } from "../../agent/api/questions.ts";
import type { PublicStatus, Status } from "../../agent/api/schema.ts";
import { orderSealed } from "../../agent/api/sealed-orders.ts";
import type { UpdateReport } from "../../provisioning/handover/update.ts";
import { sleep, systemClock } from "../../system/clock.ts";
import { HamletError } from "../../system/error.ts";
import { explainIssues } from "../../system/files.ts";
import type { Where } from "../../system/http/ask.ts";
import type { Owned } from "../commands/neighborhood/owner.ts";

/** A device bounds how often one source asks. */
const pauseMs = 1_000;

/** Its requests and report are there for its owner alone. */
export function linkedDevice(address: string, where: Where, owned: Owned | undefined) {
  const { look, post } = agentClient({ who: address, where: () => where });
  const asked = (owner: Owned, seen: Status | PublicStatus): AskedDevice => ({
    ...{ who: address, deviceKey: keyIn(seen, address), post },
    ...{ neighborhood: owner.keys, revocations: owner.revocations, clock: systemClock },
  });
  const open = async (owner: Owned, seen: Status | PublicStatus): Promise<AskQuestion> =>
    makeAsker(asked(owner, seen), await owner.operator());
  const order: AgentClient["order"] = async (documents) => {
    if (!owned) throw publicPageOnly(address);
    return await orderSealed(asked(owned, await look()), documents);
  };
  let asking: Promise<AskQuestion> | undefined;
  /** Asks for the passphrase, once. */
  const asker = (owner: Owned, seen?: Status | PublicStatus) =>
    (asking ??= (async () => open(owner, seen ?? (await look())))());
  let askedAt = Number.NEGATIVE_INFINITY;
  const status = async (): Promise<Status> => {
    const seen = asking ? undefined : await look();
    if (seen && "members" in seen) return seen;
    if (!owned) throw publicPageOnly(address);
    await sleep(Math.max(0, askedAt + pauseMs - performance.now()));
    askedAt = performance.now();
    return readStatus(address, await (await asker(owned, seen))("status", {}));
  };
  const device = { found: address, look, order, status, close() {} };
  if (!owned) return device;
  const request: SendRequest = async (path, body) => {
    const kind = questionFor[path];
    if (!kind || ("kind" in body && body.kind === "install")) throw takesNoRequests(address);
    const ask = await asker(owned);
    await ask(kind, (kind === "reset" ? { ...body, ...(await resetNonce(ask, body)) } : body) as never);
  };
  const updateReport = async (): Promise<UpdateReport> =>
    readUpdateReport(await (await asker(owned))("updateReport", {}));
  return { ...device, owner: owned, request, updateReport };
}

/** What root on the device gives out for a reset. The release before knows no such question, and resets without. */
async function resetNonce(ask: AskQuestion, body: object): Promise<{ nonce?: string }> {
  try {
    const given = ResetNonce.safeParse(await ask("resetNonce", body as Taken<"resetNonce">));
    if (!given.success) throw otherVersion(explainIssues(given.error));
    return given.data;
  } catch (error) {
    if (error instanceof HamletError && error.code === "api.refused") return {};
    throw error;
  }
}

/** Throws `device.noAnswer` for a device of a release that does not show it. */
function keyIn(seen: Status | PublicStatus, who: string): string {
  const { deviceKey } = "self" in seen ? seen.self : seen;
  if (deviceKey === undefined) throw publicPageOnly(who);
  return deviceKey;
}

export const takesNoRequests = (found: string): HamletError =>
  new HamletError("device.takesNoRequests", `${found} does not accept this request over the network`, {
    hint: "as its owner name your folder, --neighborhood <folder>, if the command takes it; else run it on the device: ssh root@<address> hamlet ...",
  });
