// What a record is judged by: the keys, revocations and dates that this device believes.
// Pure.
import type { Basis, Trust } from "../../provisioning/trust/judge.ts";
import { rejectedAt } from "./rejections.ts";
import type { Effect, State } from "./state.ts";

/** The newest date that the root has signed: whatever the clock says, it is not earlier than this. */
export const clockFloor = ({ self, members, adoptions, rejections }: State): number =>
  Math.max(
    self.token.issuedAt,
    ...[...members.values()].map((member) => member.tokenIssuedAt),
    ...[...adoptions.values()].map(({ adoption }) => adoption.issuedAt),
    ...[...rejections.values()].map(({ rejection }) => rejection.issuedAt),
  );

/** ms since 1970, and never earlier than a date that the root has signed. */
export const dateOf = (state: State, wallMs: number): number => Math.max(wallMs, clockFloor(state));

export function trustOf(state: State, wallMs: number): Trust {
  const { id, deviceKey, neighborhood, wireguard, address, token } = state.self;
  const members = new Map([[id, deviceKey]]);
  const held = new Map([
    [wireguard.publicKey, id],
    [address, id],
  ]);
  const bases = new Map<string, Basis>([[id, "judged"]]);
  const admittedByToken = new Map([[token.id, 1]]);
  for (const member of state.members.values()) {
    members.set(member.record.id, member.record.deviceKey);
    bases.set(member.record.id, member.basis);
    held.set(member.wireguardKey, member.record.id).set(member.address, member.record.id);
    admittedByToken.set(member.tokenId, (admittedByToken.get(member.tokenId) ?? 0) + 1);
  }
  return {
    neighborhood,
    revocations: state.revocations,
    members,
    bases,
    knowsNobody: state.members.size === 0,
    admittedByToken,
    adoptions: new Map([...state.adoptions].map(([of, { adoption }]) => [of, adoption])),
    rejections: rejectedAt(state.rejections, dateOf(state, wallMs)),
    held,
    now: dateOf(state, wallMs),
    isClockBehind: isClockBehind(state, wallMs),
  };
}

/** Otherwise it may be right. */
export const isClockBehind = (state: State, wallMs: number): boolean => wallMs < clockFloor(state);

/** What to tell the owner about the clock. */
export const judgeClock = (state: State, wallMs: number): Effect =>
  isClockBehind(state, wallMs)
    ? {
        kind: "warn",
        code: "clock.behind",
        message: "this device's clock is earlier than a date that the root has signed",
        hint: "let it reach a time server (NTP); until then it admits no device on its own word",
      }
    : { kind: "clear", code: "clock.behind" };
