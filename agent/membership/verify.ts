// From bytes to events: what each document proves, by what this device knows now.
// Pure, and asynchronous only because Web Crypto is.
import { admittedBy } from "../../provisioning/trust/admission.ts";
import { verifyAdoption } from "../../provisioning/trust/adoption.ts";
import { type Judgement, judgeRecord } from "../../provisioning/trust/judge.ts";
import { type MemberRecord, readRecord } from "../../provisioning/trust/record.ts";
import { Refusal } from "../../provisioning/trust/refusal.ts";
import { verifyRejection } from "../../provisioning/trust/rejection.ts";
import { addRevocations, type Revocations } from "../../provisioning/trust/revocation.ts";
import type { Adopted, Event, JudgedRecord, Member, Rejected, State } from "./state.ts";
import type { KeptMember } from "./store.ts";
import { trustOf } from "./trust.ts";

export const verifyRecord = (state: State, jws: string, wallMs: number): Promise<Judgement> =>
  judgeRecord(jws, trustOf(state, wallMs));

/** Of what somebody hands over: each costs a signature. An honest member may have some of a root that was replaced. */
export const mostForged = 8;

/** What revocations say, and which members they put out. */
export async function verifyRevocations(
  state: State,
  documents: readonly string[],
  wallMs: number,
  mostRefused?: number,
): Promise<Event & { kind: "revocations" }> {
  const { neighborhood } = state.self;
  const { revocations, refused } = await addRevocations(state.revocations, documents, neighborhood, mostRefused);
  const forged = refused.map(({ message }) => message);
  const out = new Map<string, string>();
  if (revocations !== state.revocations) {
    const trust = trustOf({ ...state, revocations }, wallMs);
    for (const { record, jws } of state.members.values()) {
      const judgement = await judgeRecord(jws, trust);
      if (judgement.kind === "refused") out.set(record.id, judgement.because);
    }
  }
  return { kind: "revocations", revocations, out, forged };
}

/** Throws `Refusal` unless the present root signed it for this neighborhood. */
export const verifyAdopted = async ({ self }: Pick<State, "self">, jws: string): Promise<Adopted> => ({
  adoption: await verifyAdoption(jws, self.neighborhood),
  jws,
});

/** Throws `Refusal` unless the present root signed it for this neighborhood. */
export const verifyRejected = async ({ self }: Pick<State, "self">, jws: string): Promise<Rejected> => ({
  rejection: await verifyRejection(jws, self.neighborhood),
  jws,
});

/** Those of the documents that were kept that still verify: one by a root that has been replaced since no longer counts. */
export async function whole<T>(documents: readonly string[], verifyOne: (jws: string) => Promise<T>): Promise<T[]> {
  const found = await Promise.all(
    documents.map((jws) =>
      verifyOne(jws).catch((error: unknown) => {
        if (error instanceof Refusal) return undefined;
        throw error;
      }),
    ),
  );
  return found.filter((one) => one !== undefined);
}

/** Whom this device took in while its clock was behind, judged again as the newcomer that it was. */
export function verifyAgain(state: State, { record, jws }: Member, wallMs: number): Promise<Judgement> {
  const members = new Map([...state.members].filter(([id, { basis }]) => basis !== "clock" && id !== record.id));
  return judgeRecord(jws, { ...trustOf({ ...state, members }, wallMs), knowsNobody: false });
}

/** The admissions of this device that its members, or the one that has just become a member, really signed. */
export function verifyVouchers(
  { self, members }: State,
  admissions: readonly string[],
  { id, deviceKey }: Pick<MemberRecord, "id" | "deviceKey">,
): string[] {
  const wanted = { neighborhood: self.neighborhood.id, device: self.id, token: self.token.id };
  const keys = new Map([...members.values()].map(({ record }) => [record.id, record.deviceKey]));
  keys.set(id, deviceKey);
  return admissions.filter((admission) => admittedBy(admission, wanted, keys) !== undefined);
}

/** The records that were kept. They vouch for each other, so all their keys count before the first is judged. */
export async function verifyKept(
  state: State,
  kept: { members: readonly KeptMember[]; revocations: Revocations; adoptions: State["adoptions"] },
  wallMs: number,
): Promise<(JudgedRecord & KeptMember)[]> {
  const trust = trustOf({ ...state, revocations: kept.revocations, adoptions: kept.adoptions }, wallMs);
  const members = new Map(trust.members);
  const bases = new Map(trust.bases);
  for (const { record: jws, basis } of kept.members) {
    const record = await readRecord(jws).catch(() => undefined);
    if (!record) continue;
    members.set(record.id, record.deviceKey);
    bases.set(record.id, basis);
  }
  return Promise.all(
    kept.members.map(async (member) => ({
      ...member,
      jws: member.record,
      judgement: await judgeRecord(member.record, { ...trust, members, bases }),
    })),
  );
}
