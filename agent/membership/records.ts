// A judged record: its device becomes a member, waits, or is refused; a newer record of a member replaces the older.
// Pure.

import type { Judgement } from "../../provisioning/trust/judge.ts";
import { meshAddress } from "../../provisioning/trust/names.ts";
import type { MemberRecord } from "../../provisioning/trust/record.ts";
import type { RefusalCode } from "../../provisioning/trust/refusal.ts";
import { formerOf } from "../../provisioning/trust/replacement.ts";
import type { TokenCertificate } from "../../provisioning/trust/token.ts";
import { wireguardKeyOf } from "../../provisioning/trust/wireguard-key.ts";
import { spend } from "../cluster/allowance.ts";
import { overMaximum, takeAdmissions } from "./admissions.ts";
import { takeOwn } from "./clones.ts";
import { disputeHint } from "./disputes.ts";
import { call, nameFor, yieldName } from "./names.ts";
import { wait } from "./pending.ts";
import { provenFormer } from "./replacements.ts";
import { chain, type Effect, type Event, type Member, type Now, type State, type Step } from "./state.ts";
import { judgeClock, trustOf } from "./trust.ts";

type Accepted = Judgement & { kind: "member" };

// Strangers can cause this warning: it ends by itself.
const refusedForMs = 10 * 60_000;

export function takeRecord(state: State, event: Event & { kind: "record" }, now: Now): Step {
  const { judgement, jws, from } = event;
  if (judgement.kind === "refused") return [state, warnOfRefusal(judgement.because)];
  if (judgement.record.id === state.self.id) return takeOwn(state, judgement.record, from);
  if (judgement.kind === "pending") {
    return chain(
      state,
      (before) => wait(before, judgement, now),
      (after) => [after, disputeOf(after, judgement, from === undefined)],
    );
  }
  const known = state.members.get(judgement.record.id);
  const isNews = !known || (judgement.record.number > known.record.number && mayRenew(known, now));
  return chain(
    state,
    (before) => (isNews ? accept(before, judgement, jws, now) : [before, []]),
    (after) => [after, countersign(after, judgement, now)],
    (after) => yieldName(after, judgement.record, event, now),
    (after) => takeAdmissions(after, event.admissions),
    (after) => [state.own.admissions.length > 0 ? after : sinceAdmitted(after, now), []],
    (after) => [after, from === undefined ? [] : [{ kind: "met", id: judgement.record.id, from }]],
  );
}

const sinceAdmitted = (state: State, { monotonicMs }: Now): State =>
  state.own.admissions.length > 0 ? { ...state, admittedAt: monotonicMs } : state;

/** Each record of a member makes all others look at their peers: one that signs ever new ones is heard now and then. */
export const mayRenew = ({ renewals }: Member, { monotonicMs }: Pick<Now, "monotonicMs">): boolean =>
  spend(renewals, monotonicMs) !== undefined;

function accept(state: State, judgement: Accepted, jws: string, { monotonicMs }: Now): Step {
  const { id } = judgement.record;
  const known = state.members.get(id);
  const renewals = known && spend(known.renewals, monotonicMs);
  const [next, effects] = keepRecord(
    state,
    judgement,
    jws,
    known ? { renewals } : { tookFrom: firstFormer(judgement.record) },
  );
  const pending = new Map(next.pending);
  pending.delete(id);
  const name = next.members.get(id)!.name;
  // A new number, or other endpoints, are not worth a write: the others tell them again.
  if (known?.basis !== judgement.basis) effects.push({ kind: "save", file: "roster" });
  effects.push({ kind: "members" });
  if (!known) effects.push({ kind: "log", level: "info", text: `${name} (${id}) is a member` });
  return [{ ...next, pending }, effects];
}

/** Whoever says with its first word here whose place it takes has that one's name, and no other. Later it cannot say so of anyone. */
const firstFormer = ({ replaces }: MemberRecord): string | undefined => replaces && formerOf(replaces);

/** `kept`: what was known of it before a restart. */
export function keepRecord(
  state: State,
  { record, token, basis }: Accepted,
  jws: string,
  kept: Partial<Pick<Member, "name" | "tookFrom" | "absentMs" | "renewals">> = {},
): Step {
  const { id } = record;
  const known = state.members.get(id);
  const wants = nameFor(state, record);
  const member: Member = {
    record,
    jws,
    name: wants,
    address: meshAddress(state.self.neighborhood.id, record.deviceKey),
    wireguardKey: wireguardKeyOf(record.deviceKey)!,
    replaces: provenFormer(state, record),
    tookFrom: known?.tookFrom ?? kept.tookFrom,
    absentMs: known?.absentMs ?? kept.absentMs ?? 0,
    basis,
    tokenId: token.id,
    tokenIssuedAt: token.issuedAt,
    renewals: kept.renewals ?? known?.renewals,
  };
  const named = known?.record.name === record.name ? known.name : (kept.name ?? wants);
  const next = call({ ...state, members: new Map(state.members).set(id, member) }, id, named);
  return [proveHeirs(next, id), surplusOf(next, token)];
}

/** Whoever said to replace this member, before this device knew it, is its heir from now on. */
function proveHeirs(state: State, former: string): State {
  const members = new Map(state.members);
  for (const [id, member] of members) {
    if (member.replaces !== undefined || !member.record.replaces?.startsWith(former)) continue;
    members.set(id, { ...member, replaces: provenFormer(state, member.record) });
  }
  return { ...state, members };
}

/** Our word counts for ever and everywhere. */
function countersign(state: State, { countersign: isWanted, basis, record, token }: Accepted, now: Now): Effect[] {
  const told = isWanted || basis === "clock" || basis === "faith" ? [judgeClock(state, now.wallMs)] : [];
  return isWanted ? [...told, { kind: "countersign", record, token }] : told;
}

/** Whom this device took in while its clock was behind stays, waits or is refused, like a newcomer that comes now. */
export function judgeAgain(state: State, { id, jws, judgement }: Event & { kind: "judgedAgain" }, now: Now): Step {
  const told: Effect[] = [judgeClock(state, now.wallMs), { kind: "save", file: "roster" }];
  if (judgement.kind === "member") {
    const [next, effects] = keepRecord(state, judgement, jws);
    return [next, [...effects, ...told]];
  }
  const members = new Map(state.members);
  const name = members.get(id)?.name;
  members.delete(id);
  const text = `${name} (${id}) is no member, now that the clock is right: ${judgement.because}`;
  const out: Step = [{ ...state, members }, [...told, { kind: "members" }, { kind: "log", level: "warn", text }]];
  return chain(
    state,
    () => out,
    (after) => (judgement.kind === "pending" ? wait(after, judgement, now) : [after, []]),
  );
}

/**
 * A member vouches for a device that waits here, or passes its record on as a member's: what each side counts differs, and only the owner
 * can settle that. Who finds no place among those that wait cannot cause a warning.
 */
function disputeOf(
  { members, pending }: State,
  { vouchers, record, token, because }: Judgement & { kind: "pending" },
  isPassedOn: boolean,
): Effect[] {
  const names = vouchers.map((id) => members.get(id)?.name ?? id).join(", ");
  const by = names || (isPassedOn && because === overMaximum ? "another member" : "");
  if (by === "" || !pending.has(record.id)) return [];
  const message = `${record.name} (${record.id}) is a member to ${by} and waits here: too many devices joined with token ${token.id}`;
  const warning = { code: "token.disputed", message, hint: disputeHint, subject: record.id } as const;
  return [{ kind: "warn", ...warning, forMs: refusedForMs }];
}

/** Two sides that admit devices apart can exceed the token's maximum together: all of them stay, and the owner is told. */
function surplusOf(state: State, { id, maxDevices }: TokenCertificate): Effect[] {
  const count = trustOf(state, 0).admittedByToken.get(id) ?? 0;
  if (count <= maxDevices) return [];
  const names = [...state.members.values()].filter(({ tokenId }) => tokenId === id).map(({ name }) => name);
  const message = `${count} devices joined with token ${id}, which admits ${maxDevices}: ${names.slice(0, 16).join(", ")}`;
  const hint = "look through the members and revoke those that are not yours";
  return [{ kind: "warn", code: "token.surplus", message, hint, subject: id }];
}

function warnOfRefusal(because: RefusalCode): Effect[] {
  // The owner wanted that.
  if (because === "deviceRejected") return [];
  const message = `this device refused a record on the link: ${because}`;
  const hint = "if that device is yours, provision it again from this neighborhood's folder";
  return [{ kind: "warn", code: "record.refused", message, hint, subject: because, forMs: refusedForMs }];
}
