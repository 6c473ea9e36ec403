// A device in a neighborhood of pure state: what is played to it, and what it does.
import type { Effect, Event, State } from "../../../agent/membership/state.ts";
import { step } from "../../../agent/membership/step.ts";
import type { MemberRecord } from "../../../provisioning/trust/record.ts";
import { noRevocations } from "../../../provisioning/trust/revocation.ts";
import type { TokenCertificate } from "../../../provisioning/trust/token.ts";

export const token = { id: "t", issuedAt: 1_000, notAfter: 9_000, maxDevices: 3 } as TokenCertificate;
export const attic: State = {
  self: {
    id: "attic-id",
    deviceKey: "attic-key",
    wireguard: { publicKey: "attic-wg" },
    address: "fd00::1",
    neighborhood: { id: "a".repeat(26) } as State["self"]["neighborhood"],
    token,
  },
  own: { number: 5, name: "attic", admissions: [], endpoints: [] },
  members: new Map(),
  pending: new Map(),
  revocations: noRevocations,
  adoptions: new Map(),
  rejections: new Map(),
  liveness: new Map(),
  disputes: new Map(),
  isWaiting: false,
  climbs: 0,
};
export const record = (name: string, more: Partial<MemberRecord> = {}) =>
  ({ id: `${name}-id`, name, deviceKey: `${name}-key`, number: 1, admissions: [], ...more }) as MemberRecord;
type Judgement = (Event & { kind: "record" })["judgement"];
export const member = (of: MemberRecord, countersign = true): Judgement => ({
  ...{ kind: "member", record: of, token, basis: "judged", countersign },
});
export const heard = (judgement: Judgement): Event => ({
  kind: "record",
  jws: "jws",
  judgement,
  admissions: [],
  from: "192.168.1.2",
});
export const now = { wallMs: 5_000, monotonicMs: 0 };
export const kinds = (effects: Effect[]) =>
  effects.map(({ kind, ...more }) => ("code" in more ? `${kind} ${more.code}` : kind));
/** The state after these events, and the effects of the last. */
export function play(state: State, ...events: Event[]): [State, Effect[]] {
  let effects: Effect[] = [];
  for (const event of events) [state, effects] = step(state, event, now);
  return [state, effects];
}
