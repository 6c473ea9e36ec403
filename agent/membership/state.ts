// What this device knows about its neighborhood, and what can happen to that.
// Pure: types, and the two ways to build a step from smaller ones.

import type { BoardFacts } from "../../provisioning/handover/board.ts";
import type { Adoption } from "../../provisioning/trust/adoption.ts";
import type { Basis, Judgement } from "../../provisioning/trust/judge.ts";
import type { NeighborhoodKeys } from "../../provisioning/trust/neighborhood-keys.ts";
import type { MemberRecord } from "../../provisioning/trust/record.ts";
import type { Rejection } from "../../provisioning/trust/rejection.ts";
import type { Revocations } from "../../provisioning/trust/revocation.ts";
import type { TokenCertificate } from "../../provisioning/trust/token.ts";
import type { Allowance } from "../cluster/allowance.ts";
import type { State as Liveness } from "../cluster/news.ts";
import type { WarningCode } from "../health/warning-codes.ts";

/** An admitted device: its verified record, the bytes that it signed, and the name by which this device knows it. */
export type Member = {
  record: MemberRecord;
  jws: string;
  name: string;
  /** Both follow from its device key. */
  address: string;
  wireguardKey: string;
  /** A former member whose board it proved to run on. */
  replaces?: string | undefined;
  /** A former member whose name it has here: that gave it up, or was named with the first word of this one. It has it back if it lives. */
  tookFrom?: string | undefined;
  /** How long it has been gone, as far as this device has noticed. */
  absentMs: number;
  basis: Basis;
  tokenId: string;
  /** ms since 1970, by the root's clock. */
  tokenIssuedAt: number;
  /** How many more records of its own it may have the others take. */
  renewals?: Allowance | undefined;
};
export type Pending = {
  id: string;
  name: string;
  deviceKey: string;
  code: string;
  because: string;
  since: number;
  tokenId: string;
};

/** A verified adoption, and the bytes that the root signed. */
export type Adopted = { adoption: Adoption; jws: string };

/** A verified rejection, and the bytes that the root signed. */
export type Rejected = { rejection: Rejection; jws: string };

/** What never changes about this device. */
export type Self = {
  readonly id: string;
  readonly deviceKey: string;
  readonly wireguard: { readonly publicKey: string };
  readonly address: string;
  readonly neighborhood: NeighborhoodKeys;
  readonly token: TokenCertificate;
  /** Undefined if firmware and network cards identify no particular board. */
  readonly board?: BoardFacts | undefined;
  /** What its record says of that board, and of the one on which the identity was made. */
  readonly boardIdentity?: string | undefined;
  readonly madeOn?: string | undefined;
};
/** What this device's own record says and may change. */
export type Own = {
  readonly number: number;
  readonly name: string;
  readonly admissions: readonly string[];
  /** The root's word that it has adopted this device. */
  readonly adoption?: string | undefined;
  /** Proof that a former identity was on this very board; this device takes over its name. */
  readonly replaces?: string | undefined;
  readonly endpoints: readonly string[];
};

export type State = {
  readonly self: Self;
  readonly own: Own;
  readonly members: ReadonlyMap<string, Member>;
  readonly pending: ReadonlyMap<string, Pending>;
  readonly revocations: Revocations;
  /** By the device's id. */
  readonly adoptions: ReadonlyMap<string, Adopted>;
  /** By the device's id. */
  readonly rejections: ReadonlyMap<string, Rejected>;
  readonly liveness: ReadonlyMap<string, Liveness>;
  /** By the member that says so: the devices that wait there because too many have joined with their token, and when it said that. */
  readonly disputes: ReadonlyMap<string, { readonly devices: readonly string[]; readonly at: number }>;
  /** A member said that this device waits for adoption, and no member has admitted it since. */
  readonly isWaiting: boolean;
  /** The name that this device gave up for a number, since it started, and how often it did so. */
  readonly gaveWay?: string;
  readonly yields?: number;
  /** How often this device has proved since then that it replaces another. */
  readonly proofs?: number;
  /** When a member admitted this device first, if that was since it started. */
  readonly admittedAt?: number;
  /** How often this device has gone above a number of its own since it started. */
  readonly climbs: number;
  /** When absences were last counted, by the clock that only grows. */
  readonly countedAt?: number;
  /** Since when those that are gone are, by the same clock. */
  readonly goneAt?: ReadonlyMap<string, number>;
};
/** `wallMs` is ms since 1970; `monotonicMs` only grows. */
export type Now = { wallMs: number; monotonicMs: number };

export type JudgedRecord = { jws: string; judgement: Judgement };
/** A member as it was kept. */
export type KeptRecord = JudgedRecord & { name?: string | undefined; tookFrom?: string | undefined; absentMs: number };
export type Event =
  | {
      kind: "loaded";
      revocations: Revocations;
      adoptions: ReadonlyMap<string, Adopted>;
      rejections: ReadonlyMap<string, Rejected>;
      records: readonly KeptRecord[];
      endpoints: readonly string[];
    }
  | { kind: "adoptions"; adopted: readonly Adopted[] }
  | { kind: "rejections"; rejected: readonly Rejected[] }
  /** `admissions`: verified ones of this device. `from`: the address that said hello; undefined for a record that came by gossip.
   * `called`: the name by which its device knows this one. */
  | ({ kind: "record"; admissions: readonly string[]; from?: string; called?: string } & JudgedRecord)
  /** Of a member that was taken in while the clock was behind. */
  | ({ kind: "judgedAgain"; id: string } & JudgedRecord)
  /** `out`: the members that these revocations put out, and why. `forged`: why others did not count. */
  | { kind: "revocations"; revocations: Revocations; out: ReadonlyMap<string, string>; forged: readonly string[] }
  | { kind: "liveness"; states: ReadonlyMap<string, Liveness> }
  /** The member `by` said over the mesh which devices wait there because too many have joined with their token. */
  | { kind: "disputed"; by: string; devices: readonly string[] }
  /** A member refused to greet this device until it is adopted. */
  /** A member at `at` said that this device waits for adoption there. */
  | { kind: "turnedAway"; because: string; at: string }
  | { kind: "letIn" }
  | { kind: "rename"; name: string }
  | { kind: "endpoints"; endpoints: readonly string[] };

/** What the other parts of the agent have to do. */
export type Task =
  /** A member or its record is new, changed or gone. */
  | { kind: "members" }
  /** This device's own record has changed: tell the neighborhood. */
  | { kind: "publish" }
  | { kind: "greetAll" }
  /** Greet it now, or all, although it has not answered before. */
  | { kind: "welcome"; id?: string }
  | { kind: "met"; id: string; from: string }
  | { kind: "doubt"; id: string }
  /** This device is the copy: it gives its identity up. */
  | { kind: "yield" };
export type StateFile = "roster" | "revocations" | "adoptions" | "rejections";
export type Effect =
  | Task
  /** Sign this device's own record anew, and keep what it says. */
  | { kind: "sign" }
  | { kind: "countersign"; record: MemberRecord; token: TokenCertificate }
  | { kind: "save"; file: StateFile }
  | { kind: "warn"; code: WarningCode; message: string; hint: string; subject?: string; forMs?: number }
  | { kind: "clear"; code: WarningCode; subject?: string }
  | { kind: "log"; level: "info" | "warn"; text: string };
export type Step = [State, Effect[]];

/** One step after another, each on the state that the one before left. */
export function chain(state: State, ...steps: ((state: State) => Step)[]): Step {
  const all: Effect[] = [];
  for (const take of steps) {
    const [next, effects] = take(state);
    state = next;
    all.push(...effects);
  }
  return [state, all];
}

/** Our record says something new, under a higher number. */
export function renew(state: State, change: Partial<Own>): Step {
  const own = { ...state.own, ...change };
  return [{ ...state, own: { ...own, number: own.number + 1 } }, [{ kind: "sign" }]];
}
