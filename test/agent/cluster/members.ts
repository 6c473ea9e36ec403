// Members of one small neighborhood, each on a loopback address of its own.
import { createHash } from "node:crypto";
import type { DocumentStore } from "../../../agent/cluster/documents.ts";
import type { Summary } from "../../../agent/cluster/messages.ts";
import { livenessSigner } from "../../../agent/cluster/proofs.ts";
import { generateSigningKey, type SigningKey } from "../../../provisioning/trust/keys.ts";
import { deviceIdOf } from "../../../provisioning/trust/names.ts";

export type Person = { id: string; address: string; key: SigningKey; signLiveness: ReturnType<typeof livenessSigner> };

/** `host` is the last number of 127.0.7.x. */
export function person(host: number): Person {
  const key = generateSigningKey();
  const id = deviceIdOf(key.publicKey);
  return { id, address: `127.0.7.${host}`, key, signLiveness: livenessSigner(key.privateKey) };
}

export const rollOf = (people: readonly Person[]): Map<string, { address: string; deviceKey: string }> =>
  new Map(people.map(({ id, address, key }) => [id, { address, deviceKey: key.publicKey }]));

export const digestOf = (text: string): string => createHash("sha256").update(text).digest("base64url");

/** A store that believes whatever text it is offered, unless it begins with "bad". */
export function fakeStore(): DocumentStore & { put(kind: string, id: string, number: number, text: string): Summary } {
  const held = new Map<string, { summary: Summary; text: string }>();
  const put = (kind: string, id: string, number: number, text: string): Summary => {
    const summary = { kind, id, number, digest: digestOf(text) };
    held.set(`${kind} ${id}`, { summary, text });
    return summary;
  };
  return {
    put,
    summaries: () => [...held.values()].map(({ summary }) => summary),
    get: (kind, id) => held.get(`${kind} ${id}`)?.text,
    async offer(kind, id, text) {
      if (text.startsWith("bad")) return "refused";
      const number = Number(text.split(" ").at(-1));
      if ((held.get(`${kind} ${id}`)?.summary.number ?? -1) >= number) return "known";
      put(kind, id, number, text);
      return "new";
    },
  };
}
