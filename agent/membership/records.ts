// A judged record: its device becomes a member, waits, or is refused; a newer record of a member replaces the older.
// Pure.
import { meshAddress } from "../../provisioning/trust/names.ts";
import type { Judgement } from "../../provisioning/trust/record.ts";
import type { TokenCertificate } from "../../provisioning/trust/token.ts";
import { wireguardKeyOf } from "../../provisioning/trust/wireguard-key.ts";
import { takeVouchers } from "./admissions.ts";
import { nameFor } from "./names.ts";
import { wait } from "./pending.ts";
import { chain, type Effect, type Event, type Now, renew, type State, type Step } from "./state.ts";
import { judgeClock, trustOf } from "./trust.ts";

type Accepted = Judgement & { kind: "member" };

// Strangers can cause this warning: it ends by itself.
const refusedForMs = 10 * 60_000;

export function takeRecord(state: State, event: Event & { kind: "record" }, now: Now): Step {
  const { judgement, jws, from } = event;
  if (judgement.kind === "refused") return [state, [warnOfRefusal(judgement.because)]];
  // Our own past, from before a restore or a lost write: we speak with a higher number than anything out there.
  if (judgement.record.id === state.self.id) return goAbove(state, judgement.record.number);
  if (judgement.kind === "pending") return wait(state, judgement, now);
  const known = state.members.get(judgement.record.id);
  const isNews = !known || judgement.record.number > known.record.number;
  return chain(
    state,
    (before) => (isNews ? accept(before, judgement, jws) : [before, []]),
    (after) => [after, countersign(after, judgement, now)],
    (after) => takeVouchers(after, event.vouchers),
    (after) => [after, from === undefined ? [] : [{ kind: "met", id: judgement.record.id, from }]],
  );
}

function accept(state: State, judgement: Accepted, jws: string): Step {
  const { id, replaces } = judgement.record;
  const isNew = !state.members.has(id);
  const [next, effects] = keepRecord(state, judgement, jws);
  const pending = new Map(next.pending);
  pending.delete(id);
  const name = next.members.get(id)!.name;
  effects.push({ kind: "save", file: "roster" }, { kind: "members" });
  if (isNew) effects.push({ kind: "log", level: "info", text: `${name} (${id}) is a member` });
  // The record may say so long after the replaced device was seen dead.
  if (replaces !== undefined) effects.push({ kind: "clear", code: "member.dead", subject: replaces });
  return [{ ...next, pending }, effects];
}

export function keepRecord(state: State, { record, token, firm }: Accepted, jws: string): Step {
  const known = state.members.get(record.id);
  const member = {
    record,
    jws,
    name: known?.record.name === record.name ? known.name : nameFor(state, record),
    address: meshAddress(state.self.neighborhood.id, record.deviceKey),
    wireguardKey: wireguardKeyOf(record.deviceKey)!,
    firm: firm || known?.firm === true,
    tokenId: token.id,
    tokenIssuedAt: token.issuedAt,
  };
  const next = { ...state, members: new Map(state.members).set(record.id, member) };
  return [next, surplusOf(next, token)];
}

/** Our word counts for ever and everywhere: we give it only while the clock may be right. */
function countersign(state: State, { countersign: isWanted, record, token }: Accepted, now: Now): Effect[] {
  if (!isWanted) return [];
  const { isBehind, effects } = judgeClock(state, now.wallMs);
  return isBehind ? effects : [...effects, { kind: "countersign", record, token }];
}

const goAbove = (state: State, number: number): Step =>
  number >= state.own.number ? renew(state, { number }) : [state, []];

/** Two sides that admit devices apart can exceed the token's maximum together: all of them stay, and the owner is told. */
function surplusOf(state: State, { id, maxDevices }: TokenCertificate): Effect[] {
  const count = trustOf(state, 0).admittedByToken.get(id) ?? 0;
  if (count <= maxDevices) return [];
  const message = `${count} devices joined with token ${id}, which admits ${maxDevices}`;
  const hint = "look through the members and revoke those that are not yours";
  return [{ kind: "warn", code: "token.surplus", message, hint, subject: id }];
}

const warnOfRefusal = (because: string): Effect => ({
  kind: "warn",
  code: "record.refused",
  message: `this device refused a record on the link: ${because}`,
  hint: "if that device is yours, provision it again from this neighborhood's folder",
  subject: because,
  forMs: refusedForMs,
});
