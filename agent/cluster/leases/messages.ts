// What members say to each other about leases: datagrams of the cluster's port, of at most as many bytes. An older release takes them
// for no message of its own and passes them over.
// Pure. The protocol between two releases in one neighborhood: fields may be added, never changed.
import { z } from "zod";
import { DATAGRAM_BYTES } from "../messages.ts";
import { type Change, mostVoters, type VoterList } from "./list.ts";
import { type Accepted, type Ballot, dayMs, leaseMs, mostSlots, type Reason } from "./terms.ts";

type Named = Pick<VoterList, "founder" | "number">;
export type ToldGrant = { slot: number; holder: string; claim: string; heldMs: number; leftMs: number };
export type LeaseMessage =
  | {
      type: "state";
      list: VoterList;
      promised?: Ballot | undefined;
      accepted?: Accepted | undefined;
      grants: readonly ToldGrant[];
      /** Asks the receiver for its own state. */
      isQuestion: boolean;
    }
  | ({ type: "ask"; claim: string; round: number; slot: number } & { list: Named })
  | { type: "grant"; claim: string; round: number; away: readonly string[] }
  | ({ type: "deny"; claim: string; round: number } & Reason)
  | { type: "free"; claim: string }
  | { type: "prepare"; list: Named; ballot: Ballot }
  | { type: "accept"; list: Named; ballot: Ballot; change: Change };

/** The most absent members that a voter names. */
export const mostAway = 8;

const Id = z.string().regex(/^[a-z2-7]{26}$/);
const Round = z.int().min(1).max(0xffff_ffff);
const Edition = z
  .int()
  .min(1)
  .max(2 ** 48);
const Claim = z.string().regex(/^[A-Za-z0-9_-]{11}$/);
const Slot = z
  .int()
  .min(0)
  .max(mostSlots - 1);
const WireBallot = z.tuple([Round, Id]);
const Op = z.enum(["add", "remove"]);
const Ms = z.int().min(0).max(leaseMs);
const HeldMs = z
  .int()
  .min(0)
  .max(2 ** 40);
const Voters = z
  .array(Id)
  .min(1)
  .max(mostVoters)
  .refine((voters) => voters.every((id, index) => index === 0 || voters[index - 1]! < id), "sorted, each once");

const named = { l: Id, n: Edition };
const Wire = z.discriminatedUnion("t", [
  z.object({
    t: z.literal("lease-state"),
    ...named,
    v: Voters,
    p: WireBallot.optional(),
    a: z.tuple([Round, Id, Op, Id]).optional(),
    g: z
      .array(z.tuple([Slot, Id, Claim, HeldMs, Ms]))
      .max(mostSlots)
      .default([]),
    q: z.literal(1).optional(),
  }),
  z.object({ t: z.literal("lease-ask"), ...named, c: Claim, k: Round, s: Slot }),
  z.object({ t: z.literal("lease-grant"), c: Claim, k: Round, w: z.array(Id).max(mostAway).default([]) }),
  z.object({
    t: z.literal("lease-deny"),
    c: Claim,
    k: Round,
    y: z.enum(["held", "settling"]),
    h: Id.optional(),
    m: Ms.optional(),
    f: Id.optional(),
    u: z.int().min(0).max(dayMs).optional(),
  }),
  z.object({ t: z.literal("lease-free"), c: Claim }),
  z.object({ t: z.literal("lease-prepare"), ...named, b: WireBallot }),
  z.object({ t: z.literal("lease-accept"), ...named, b: WireBallot, o: Op, m: Id }),
]);
type Wire = z.input<typeof Wire>;

export const encodeLeaseMessage = (message: LeaseMessage): string => JSON.stringify(wireOf(message));

function wireOf(message: LeaseMessage): Wire {
  switch (message.type) {
    case "state": {
      const { list, promised, accepted, grants, isQuestion } = message;
      return {
        ...{ t: "lease-state", l: list.founder, n: list.number, v: [...list.voters] },
        ...(promised && { p: [...promised] }),
        ...(accepted && { a: [...accepted.ballot, accepted.change.op, accepted.change.id] }),
        g: grants.map(({ slot, holder, claim, heldMs, leftMs }) => [slot, holder, claim, heldMs, leftMs]),
        ...(isQuestion && { q: 1 }),
      };
    }
    case "ask": {
      const { list, claim, round, slot } = message;
      return { t: "lease-ask", l: list.founder, n: list.number, c: claim, k: round, s: slot };
    }
    case "grant":
      return { t: "lease-grant", c: message.claim, k: message.round, w: [...message.away] };
    case "deny": {
      const { claim, round, why, holder, leftMs, awaits, waitsMs } = message;
      return { t: "lease-deny", c: claim, k: round, y: why, h: holder, m: leftMs, f: awaits, u: waitsMs };
    }
    case "free":
      return { t: "lease-free", c: message.claim };
    case "prepare": {
      const { list, ballot } = message;
      return { t: "lease-prepare", l: list.founder, n: list.number, b: [...ballot] };
    }
    case "accept": {
      const { list, ballot, change } = message;
      return { t: "lease-accept", l: list.founder, n: list.number, b: [...ballot], o: change.op, m: change.id };
    }
  }
}

/** Undefined if the bytes are no message about leases. */
export function decodeLeaseMessage(bytes: Uint8Array): LeaseMessage | undefined {
  if (bytes.length > DATAGRAM_BYTES) return undefined;
  const parsed = Wire.safeParse(jsonOf(bytes));
  if (!parsed.success) return undefined;
  const wire = parsed.data;
  switch (wire.t) {
    case "lease-state": {
      const [round, by, op, id] = wire.a ?? [];
      return {
        type: "state",
        list: { founder: wire.l, number: wire.n, voters: wire.v },
        promised: wire.p,
        accepted: round && by && op && id ? { ballot: [round, by], change: { op, id } } : undefined,
        grants: wire.g.map(([slot, holder, claim, heldMs, leftMs]) => ({ slot, holder, claim, heldMs, leftMs })),
        isQuestion: wire.q === 1,
      };
    }
    case "lease-ask":
      return { type: "ask", list: { founder: wire.l, number: wire.n }, claim: wire.c, round: wire.k, slot: wire.s };
    case "lease-grant":
      return { type: "grant", claim: wire.c, round: wire.k, away: wire.w };
    case "lease-deny":
      return {
        ...{ type: "deny", claim: wire.c, round: wire.k, why: wire.y },
        ...{ holder: wire.h, leftMs: wire.m, awaits: wire.f, waitsMs: wire.u },
      };
    case "lease-free":
      return { type: "free", claim: wire.c };
    case "lease-prepare":
      return { type: "prepare", list: { founder: wire.l, number: wire.n }, ballot: wire.b };
    case "lease-accept": {
      const change = { op: wire.o, id: wire.m };
      return { type: "accept", list: { founder: wire.l, number: wire.n }, ballot: wire.b, change };
    }
  }
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
