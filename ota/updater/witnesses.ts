// What other members say of a device on trial. The agent carries their statements, and is not believed: each must be signed by a key that
// was known before the trial began, and answer a question of this updater.
// Pure.
import type { Confirmation, Evidence } from "../../provisioning/handover/update.ts";
import { deviceIdOf } from "../../provisioning/trust/names.ts";
import { verifyStatement, type WitnessStatement } from "../../provisioning/trust/witness.ts";
import type { Clock } from "../../system/clock.ts";
import type { Armed } from "./state.ts";

export type Witnesses = NonNullable<Armed["witnesses"]>;
/** A question to the witnesses: `upMs` is how long this boot had lasted when it was asked. */
export type Question = { nonce: string; upMs: number; bootId: string };

/** `monotonic` counts from this boot. */
export const askNow = ({
  nonce,
  clock,
  device,
}: {
  nonce(): string;
  clock: Pick<Clock, "monotonic">;
  device: { bootId: string };
}): Question => ({ nonce: nonce(), upMs: clock.monotonic(), bootId: device.bootId });

/** The members that reach this device before the trial, as far as they can say so; undefined if there are none. */
export function witnessesIn(evidence: Evidence, question: Question): Witnesses | undefined {
  const { self, members = [] } = evidence;
  if (self === undefined) return undefined;
  const known = members.filter(({ id, key }) => id !== self && isIdOf(id, key));
  const confirmed = new Set(
    confirmationsIn(evidence, { self, members: known }, question).flatMap((one) => (isFull(one) ? [one.by] : [])),
  );
  const confirming = known.filter(({ id }) => confirmed.has(id));
  return confirming.length > 0 ? { self, members: confirming } : undefined;
}

function isIdOf(id: string, key: string): boolean {
  try {
    return deviceIdOf(key) === id;
  } catch {
    return false;
  }
}

/** One for each witness that has answered the question. */
export function confirmationsIn(
  { statements = [] }: Pick<Evidence, "statements">,
  { self, members }: Witnesses,
  question: Question,
): Confirmation[] {
  const found = new Map<string, Confirmation>();
  for (const jws of statements) {
    for (const { id, key } of members) {
      if (found.has(id)) continue;
      const statement = read(jws, { by: id, key, device: self, nonce: question.nonce });
      if (!statement) continue;
      found.set(id, confirmationOf(statement, question));
      break;
    }
  }
  return [...found.values()];
}

function read(jws: string, expected: Parameters<typeof verifyStatement>[1]): WitnessStatement | undefined {
  try {
    return verifyStatement(jws, expected);
  } catch {
    return undefined;
  }
}

/** The statement was made after the question: a handshake younger than this boot was when it was asked is of this boot. */
const confirmationOf = (
  { by, handshakeS, gossip, connection }: WitnessStatement,
  { upMs, bootId }: Question,
): Confirmation => ({
  by,
  handshake: handshakeS !== undefined && handshakeS * 1000 <= upMs,
  gossip: gossip === bootId,
  connection: connection === bootId,
});

export const isFull = ({ handshake, gossip, connection }: Confirmation): boolean => handshake && gossip && connection;

/** What each witness has confirmed at best. */
export function bestOf(before: Confirmation[], now: Confirmation[]): Confirmation[] {
  const best = new Map(before.map((one) => [one.by, one]));
  for (const one of now) {
    const known = best.get(one.by);
    if (!known || !isFull(known)) best.set(one.by, one);
  }
  return [...best.values()].toSorted((a, b) => Number(isFull(b)) - Number(isFull(a))).slice(0, 16);
}
