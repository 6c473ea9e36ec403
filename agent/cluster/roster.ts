// Whom this device knows: records that proved themselves, the revocations, and who waits for adoption.
// Everything that a stranger can send comes through hear(), one after another, and is kept on disk before it counts.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { adoptionCode, meshAddress } from "../../provisioning/names.ts";
import { judgeRecord, type MemberRecord, readRecord, type Trust, type Verdict } from "../../provisioning/record.ts";
import { addRevocations, noRevocations, type Revocations, revocationsAfter } from "../../provisioning/revocation.ts";
import type { Clock } from "../../system/clock.ts";
import { readJson, writeJson } from "../../system/files.ts";
import type { Log } from "../../system/log.ts";
import { freeName } from "../discovery/new-name.ts";
import type { Warnings } from "../health/warnings.ts";
import type { Identity } from "../identity.ts";
import type { DocumentStore } from "./cluster.ts";

/** A member: its record as verified, the bytes it signed, the name it goes by here; `firm` unless it is only taken on faith. */
export type Member = {
  record: MemberRecord;
  jws: string;
  name: string;
  address: string;
  tokenId: string;
  firm: boolean;
};
export type Pending = { id: string; name: string; code: string; because: string; heardAt: number };
export type Hearing =
  | { verdict: "member"; member: Member; news: boolean; admission?: string }
  | { verdict: "pending"; because: string }
  | { verdict: "refused"; because: string }
  | { verdict: "self" };

const RosterFile = z.object({
  v: z.literal(1),
  records: z.array(z.string()),
  firm: z.array(z.string()).describe("ids of the members that are not only taken on faith"),
  revocations: z.array(z.string()),
});
const pendingForMs = 10 * 60_000;
const maxPending = 16;

export class Roster implements DocumentStore {
  readonly #identity: Identity;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #warnings: Warnings;
  readonly #members = new Map<string, Member>();
  readonly #pending = new Map<string, Pending>();
  #revocations: Revocations = noRevocations;
  #queue: Promise<unknown> = Promise.resolve();
  /** Called after the set of members or a record in it has changed. */
  onChange: () => void = () => {};

  constructor(o: { identity: Identity; stateFolder: string; clock: Clock; log: Log; warnings: Warnings }) {
    this.#identity = o.identity;
    this.#path = join(o.stateFolder, "roster.json");
    this.#clock = o.clock;
    this.#log = o.log;
    this.#warnings = o.warnings;
  }

  /** Reads back who was known. What does not verify any more (revoked, another neighborhood) is left out. */
  async load(): Promise<void> {
    const file = await readJson(this.#path, RosterFile).catch((error) => {
      this.#log.warn(`starting with an empty roster: ${error.message}`);
      return undefined;
    });
    await this.#revoke([...(file?.revocations ?? []), ...(this.#identity.provision.revocations ?? [])]);
    const saved = await Promise.all((file?.records ?? []).map((jws) => readRecord(jws).catch(() => undefined)));
    // They vouch for each other, so all their keys count before the first is judged.
    const trust = this.#trust();
    const members = new Map(trust.members);
    for (const record of saved) if (record) members.set(record.id, record.deviceKey);
    const firm = new Set([...(trust.firm ?? []), ...(file?.firm ?? [])]);
    for (const jws of file?.records ?? []) {
      const verdict = await judgeRecord(jws, { ...trust, members, firm });
      if (verdict.verdict === "member") this.#keep(verdict, jws);
    }
  }

  /** Judges a record and keeps it if it proves a member. Never throws on what the record says. */
  hear(jws: string): Promise<Hearing> {
    const turn = this.#queue.then(() => this.#hear(jws));
    this.#queue = turn.catch(() => {});
    return turn;
  }

  /** Takes revocations in: whom they name is dropped at once and never taken back. */
  async hearRevocations(documents: readonly string[]): Promise<void> {
    const turn = this.#queue.then(async () => {
      if (await this.#revoke(documents)) {
        await this.#save();
        this.onChange();
      }
    });
    this.#queue = turn.catch(() => {});
    return turn;
  }

  /** What somebody who knows revocations up to `number` lacks. */
  revocationsAfter(number: number): string[] {
    return revocationsAfter(this.#revocations, number);
  }

  members(): ReadonlyMap<string, Member> {
    return this.#members;
  }

  pending(): Pending[] {
    for (const [id, { heardAt }] of this.#pending) {
      if (this.#clock.now() - heardAt > pendingForMs) this.#pending.delete(id);
    }
    return [...this.#pending.values()];
  }

  summaries(): ReturnType<DocumentStore["summaries"]> {
    const all = [...this.#members.values()].map(({ record, jws }) => ({ id: record.id, number: record.number, jws }));
    all.push({ id: this.#identity.id, number: this.#identity.number, jws: this.#identity.jws });
    const records = all.map(({ id, number, jws }) => ({ kind: "record", id, number, digest: digestOf(jws) }));
    const revocations = this.#revocations.documents.map(({ number, jws }) => {
      const digest = digestOf(jws);
      return { kind: "revocation", id: digest, number, digest };
    });
    return [...records, ...revocations];
  }

  get(kind: string, id: string): string | undefined {
    if (kind === "revocation") return this.#revocations.documents.find(({ jws }) => digestOf(jws) === id)?.jws;
    if (kind !== "record") return undefined;
    return id === this.#identity.id ? this.#identity.jws : this.#members.get(id)?.jws;
  }

  async offer(kind: string, _id: string, jws: string): Promise<"new" | "known" | "refused"> {
    if (kind === "revocation") {
      const before = this.#revocations;
      await this.hearRevocations([jws]);
      return this.#revocations === before ? "known" : "new";
    }
    if (kind !== "record") return "refused";
    const heard = await this.hear(jws);
    if (heard.verdict === "self") return "known";
    if (heard.verdict !== "member") return "refused";
    return heard.news ? "new" : "known";
  }

  async #hear(jws: string): Promise<Hearing> {
    const verdict = await judgeRecord(jws, this.#trust());
    if (verdict.verdict === "refused") {
      this.#warnings.raise(
        "record.refused",
        `a record on the link was refused: ${verdict.because}`,
        "if the device is yours, provision it again from this neighborhood's folder",
        verdict.because,
      );
      return verdict;
    }
    const { record } = verdict;
    if (record.id === this.#identity.id) {
      // Our own past, from before a restore or a lost write: we speak with a higher number than anything out there.
      if (record.number > this.#identity.number) await this.#identity.goAbove(record.number);
      return { verdict: "self" };
    }
    if (verdict.verdict === "pending") {
      this.#wait(record, verdict.because);
      return { verdict: "pending", because: verdict.because };
    }
    const known = this.#members.get(record.id);
    const news = !known || record.number > known.record.number;
    const member = news ? this.#keep(verdict, jws) : known;
    if (news) {
      this.#pending.delete(record.id);
      await this.#save();
      if (!known) this.#log.info(`${member.name} (${record.id}) is a member`);
      this.onChange();
    }
    const admission = verdict.countersign ? await this.#identity.admit(record, verdict.token) : undefined;
    return { verdict: "member", member, news, ...(admission && { admission }) };
  }

  /** True if something was new. */
  async #revoke(documents: readonly string[]): Promise<boolean> {
    const before = this.#revocations;
    const { revocations, refused } = await addRevocations(before, documents, this.#identity.neighborhood);
    for (const refusal of refused) this.#log.warn(`a revocation was refused: ${refusal.message}`);
    this.#revocations = revocations;
    for (const { record, jws, name } of [...this.#members.values()]) {
      if (revocations === before) break;
      const verdict = await judgeRecord(jws, this.#trust());
      if (verdict.verdict !== "refused") continue;
      this.#log.warn(`${name} (${record.id}) is no member any more: ${verdict.because}`);
      this.#members.delete(record.id);
    }
    await this.#identity.setRevocation(revocations.number);
    return revocations !== before;
  }

  #keep({ record, token, firm }: Verdict & { verdict: "member" }, jws: string): Member {
    const standing = this.#members.get(record.id);
    const name = standing?.record.name === record.name ? standing.name : this.#freeName(record);
    const address = meshAddress(this.#identity.neighborhood.id, record.deviceKey);
    const member = { record, jws, name, address, tokenId: token.id, firm: firm || standing?.firm === true };
    this.#members.set(record.id, member);
    return member;
  }

  /** The one known first keeps a name; the next becomes `attic-2`. */
  #freeName({ id, name }: MemberRecord): string {
    const others = [...this.#members.values()].filter(({ record }) => record.id !== id);
    return freeName(name, new Set([this.#identity.name, ...others.map((other) => other.name)]));
  }

  /** Our own name has changed: whoever had to step back for it goes by its own again. */
  ownNameChanged(): void {
    for (const [id, member] of this.#members) {
      if (member.name !== member.record.name) this.#members.set(id, { ...member, name: this.#freeName(member.record) });
    }
    this.onChange();
  }

  #wait(record: MemberRecord, because: string): void {
    if (!this.#pending.has(record.id) && this.pending().length >= maxPending) return;
    const { id, name } = record;
    this.#pending.set(id, { id, name, code: adoptionCode(record.deviceKey), because, heardAt: this.#clock.now() });
  }

  #trust(): Trust {
    const { id, deviceKey, neighborhood, wireguard, address, token } = this.#identity;
    const members = new Map([[id, deviceKey]]);
    const held = new Map([
      [wireguard.publicKey, id],
      [address, id],
    ]);
    const firm = new Set([id]);
    const admittedByToken = new Map([[token.id, 1]]);
    for (const member of this.#members.values()) {
      members.set(member.record.id, member.record.deviceKey);
      if (member.firm) firm.add(member.record.id);
      held.set(member.record.wireguardKey, member.record.id).set(member.address, member.record.id);
      admittedByToken.set(member.tokenId, (admittedByToken.get(member.tokenId) ?? 0) + 1);
    }
    const knowsNobody = this.#members.size === 0;
    return {
      neighborhood,
      revocations: this.#revocations,
      members,
      firm,
      knowsNobody,
      admittedByToken,
      held,
      now: this.#clock.now(),
    };
  }

  async #save(): Promise<void> {
    try {
      const members = [...this.#members.values()];
      const content: z.infer<typeof RosterFile> = {
        v: 1,
        records: members.map(({ jws }) => jws),
        firm: members.filter(({ firm }) => firm).map(({ record }) => record.id),
        revocations: this.#revocations.documents.map(({ jws }) => jws),
      };
      await writeJson(this.#path, content);
      this.#warnings.clear("state.full");
    } catch (error) {
      this.#warnings.raise(
        "state.full",
        `the roster could not be saved: ${error instanceof Error ? error.message : error}`,
        "free space on the data partition; the device stays a member and asks its neighbors again after a restart",
      );
    }
  }
}

const digestOf = (jws: string): string => createHash("sha256").update(jws).digest("base64url").slice(0, 22);
