// Members of one small neighborhood, each on its own loopback address.
import { createHash } from "node:crypto";
import type { DocumentKind } from "../../../agent/cluster/documents.ts";
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

/** Documents of three kinds, which accept every text that does not begin with "bad". */
export function fakeStore() {
  const held = new Map<string, { summary: Summary; text: string }>();
  const put = (kind: string, id: string, number: number, text: string): void => {
    held.set(`${kind} ${id}`, { summary: { kind, id, number, digest: digestOf(text) }, text });
  };
  const all = () => [...held.values()].map(({ summary }) => summary);
  const kinds = ["record", "rollout", "revocation"].map(
    (kind): DocumentKind => ({
      kind,
      maxChars: 1_000,
      summaries: () => all().filter((summary) => summary.kind === kind),
      get: (id) => held.get(`${kind} ${id}`)?.text,
      async offer(text) {
        if (text.startsWith("bad")) return "refused";
        const [id = "", number] = [text.split(" ")[0], Number(text.split(" ").at(-1))];
        if ((held.get(`${kind} ${id}`)?.summary.number ?? -1) >= number) return "known";
        put(kind, id, number, text);
        return "new";
      },
    }),
  );
  return { kinds, put, all, get: (kind: string, id: string) => held.get(`${kind} ${id}`)?.text };
}
