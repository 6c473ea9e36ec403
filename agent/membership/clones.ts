// Two devices with one identity: a copied card, or a disk restored from yesterday while the other still runs.
// Pure.
import type { MemberRecord } from "../../provisioning/trust/record.ts";
import { chain, type Effect, renew, type State, type Step } from "./state.ts";

/**
 * How often this device goes above a higher number of its own, each time it starts. Once is enough after a lost write or a restored disk:
 * what answers with a higher number again and again is no past but another device, and each answer would be a write.
 */
const maxClimbs = 3;

/** A record of this device's own. `from`: a device says it itself, from there, and it is not this one. */
export function takeOwn(state: State, record: MemberRecord, from: string | undefined): Step {
  if (from !== undefined) return warnOfClone(state, record, from);
  // Our own past, from before a restore or a lost write: we speak with a higher number than anything out there.
  if (record.number < state.own.number) return [state, []];
  const climbs = state.climbs + 1;
  return chain(
    state,
    (before) => (climbs > maxClimbs ? [before, []] : renew(before, { number: record.number })),
    (after) => [{ ...after, climbs }, []],
    (after) => (climbs >= maxClimbs ? warnOfClone(after, record, record.endpoints[0]) : [after, []]),
  );
}

/** An identity belongs to the board that made it, so the device on another board gives it up. If neither or both are, a person decides. */
function warnOfClone(state: State, other: MemberRecord, from: string | undefined): Step {
  const { self, own } = state;
  const made = self.madeOn;
  const isMoved = (board: string | undefined) => made !== undefined && board !== undefined && board !== made;
  const isOurs = isMoved(self.boardIdentity) && other.boardIdentity === made;
  const isTheirs = isMoved(other.boardIdentity) && self.boardIdentity === made;
  const where = from === undefined ? "" : `, at ${from}`;
  const warning: Effect = {
    kind: "warn",
    code: "identity.cloned",
    message: `another device has the identity of ${own.name}${where}: a disk was copied or restored`,
    hint: isTheirs
      ? "the other device runs on another board and gives the identity up; adopt it as a new device"
      : "decide which of the two stays; on the other one type: hamlet reset",
  };
  return [state, isOurs ? [warning, { kind: "yield" }] : [warning]];
}
