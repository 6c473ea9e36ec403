// This device as a witness for others, and others as witnesses for it.
import { type Evidence, type EvidenceRequest, maxWitnesses } from "../../provisioning/handover/update.ts";
import type { Cluster, Service } from "../cluster/cluster.ts";
import { DOCUMENT_BYTES } from "../cluster/messages.ts";
import type { Membership } from "../membership/membership.ts";
import type { Paths } from "../mesh/paths.ts";
import { askWitnesses } from "../witness/ask.ts";
import { maxAnswerBytes, witnessPath } from "../witness/request.ts";
import { makeWitness } from "../witness/witness.ts";
import type { Scope } from "./scope.ts";

export type Witnessing = {
  services: ReadonlyMap<string, Service>;
  /** Who is asked, with their keys, and what they say; nothing if nobody wants to know. */
  collect(request: EvidenceRequest["witness"]): Promise<Pick<Evidence, "self" | "members" | "statements">>;
};

export function makeWitnessing(
  { identity, clock }: Scope,
  {
    membership,
    paths,
    cluster,
  }: { membership: Membership; paths: Paths; cluster(): Pick<Cluster, "ask" | "liveness"> | undefined },
): Witnessing {
  const { id: self, key } = identity;
  const isAlive = (id: string) => cluster()?.liveness().get(id)?.state === "alive";
  const ask = async (id: string, question: Parameters<Cluster["ask"]>[1]) => {
    const joined = cluster();
    if (!joined) throw new Error("the cluster has not started");
    return joined.ask(id, question);
  };
  const witness = makeWitness({
    ...{ self: { id: self, key }, clock },
    sight(device) {
      const member = membership.members().get(device);
      if (!member) return undefined;
      const { latestHandshakeMs } =
        paths.status().find(({ wireguardKey }) => wireguardKey === member.wireguardKey) ?? {};
      return {
        ...{ isAlive: isAlive(device), bootId: member.record.bootId },
        ...(latestHandshakeMs !== undefined && { latestHandshakeMs }),
      };
    },
    async fetchRecord(device) {
      const path = `/v1/documents/record/${device}`;
      return (await ask(device, { method: "GET", path, limitBytes: DOCUMENT_BYTES })).toString("utf8");
    },
  });
  return {
    services: new Map([[witnessPath, witness]]),
    async collect(request) {
      if (!request) return {};
      const others = [...membership.members()].filter(([id]) => id !== self);
      const isAsked = (id: string) => (request.from ? request.from.includes(id) : isAlive(id));
      const members = others
        .flatMap(([id, { record }]) => (isAsked(id) ? [{ id, key: record.deviceKey }] : []))
        .slice(0, maxWitnesses);
      const statements = await askWitnesses({
        ...{ nonce: request.nonce, members },
        ask: (id, body) => ask(id, { method: "POST", path: witnessPath, body, limitBytes: maxAnswerBytes }),
      });
      return { self, members, statements };
    },
  };
}
