// This device as a witness: it tells a member, signed, what it sees itself of that member now. Whom it speaks of is whoever asks: the
// guard makes the source address of a request a proof of identity.

import type { SigningKey } from "../../provisioning/trust/keys.ts";
import { readRecord } from "../../provisioning/trust/record.ts";
import { signStatement } from "../../provisioning/trust/witness.ts";
import { FairBucket } from "../../system/bucket.ts";
import { sleep } from "../../system/clock.ts";
import { jsonIn } from "./json.ts";
import { maxRequestBytes, type WitnessAnswer, WitnessRequest } from "./request.ts";

/** What is known of a member without asking it. */
export type Sight = { latestHandshakeMs?: number; isAlive: boolean; bootId?: string };
export type WitnessOptions = {
  self: { id: string; key: SigningKey };
  sight(device: string): Sight | undefined;
  /** The device's record, by a connection to the device itself. */
  fetchRecord(device: string): Promise<string>;
  clock: { now(): number; monotonic(): number };
  /** How long the device has to answer the witness's own connection. */
  connectMs?: number;
};
export type Answer = { status: number; body: string };
export type Witness = (device: string, body: Uint8Array) => Promise<Answer>;

/** A device on trial asks every few seconds until it has its confirmation. */
const asking = { perSecond: 0.5, burst: 6 };
/** A connection and a signature each. */
const maxAtOnce = 8;
/** Less than the device waits for the answer: what the witness sees besides still counts. */
const usualConnectMs = 2_500;

export function makeWitness({ self, sight, fetchRecord, clock, connectMs = usualConnectMs }: WitnessOptions): Witness {
  const bucket = new FairBucket({ perSource: asking, maxSources: 4_096 });
  const busy = new Set<string>();

  async function bootOn(device: string): Promise<string | undefined> {
    const fetched = fetchRecord(device).then(readRecord);
    const record = await Promise.race([fetched, sleep(connectMs)]).catch(() => undefined);
    return record?.id === device ? record.bootId : undefined;
  }

  return async (device, body) => {
    const request = body.length > maxRequestBytes ? undefined : WitnessRequest.safeParse(jsonIn(body)).data;
    if (!request) return { status: 400, body: "" };
    const seen = sight(device);
    if (!seen) return { status: 403, body: "" };
    if (busy.has(device) || busy.size >= maxAtOnce) return { status: 429, body: "" };
    if (!bucket.admits({ key: device, network: "local" }, clock.monotonic())) return { status: 429, body: "" };
    busy.add(device);
    try {
      const connection = await bootOn(device);
      const ageMs = seen.latestHandshakeMs === undefined ? -1 : clock.now() - seen.latestHandshakeMs;
      const statement = await signStatement(
        {
          ...{ v: 1, by: self.id, device, nonce: request.nonce, duties: [] },
          // A clock that was set back knows no age.
          ...(ageMs >= 0 && { handshakeS: Math.ceil(ageMs / 1000) }),
          ...(seen.isAlive && seen.bootId !== undefined && { gossip: seen.bootId }),
          ...(connection !== undefined && { connection }),
        },
        self.key,
      );
      return { status: 200, body: JSON.stringify({ v: 1, statement } satisfies typeof WitnessAnswer._output) };
    } finally {
      busy.delete(device);
    }
  };
}
