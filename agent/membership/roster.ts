// Whom this device knows: records that proved themselves, the revocations, and who waits for adoption.
// Everything that a stranger can send comes through hear(), one after another, and is kept on disk before it counts.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { admittedBy } from "../../provisioning/trust/member.ts";
import { adoptionCode, meshAddress } from "../../provisioning/trust/names.ts";
import {
  judgeRecord,
  type MemberRecord,
  readRecord,
  type Trust,
  type Verdict,
} from "../../provisioning/trust/record.ts";
import {
  addRevocations,
  noRevocations,
  type Revocations,
  revocationsAfter,
} from "../../provisioning/trust/revocation.ts";
import type { TokenCertificate } from "../../provisioning/trust/token.ts";
import type { Clock } from "../../system/clock.ts";
import { keep, readKept } from "../../system/kept.ts";
import type { Log } from "../../system/log.ts";
import type { DocumentStore } from "../cluster/cluster.ts";
import { warnOfDamage } from "../health/damage.ts";
import type { Warnings } from "../health/warnings.ts";
import type { Identity } from "../identity.ts";
import { freeName } from "./names.ts";
import { namesAfterReplacement } from "./replacements.ts";
import { documentsIn, isOfType } from "./salvage.ts";

/** A member: its record as verified, the bytes it signed, the name it goes by here; `firm` unless it is only taken on faith. */
export type Member = {
  record: MemberRecord;
  jws: string;
  name: string;
  address: string;
  firm: boolean;
  tokenId: string;
  /** ms since 1970, by the root's clock. */
  tokenIssuedAt: number;
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
  revocations: z.array(z.string()).describe("for earlier releases, which know of no other place"),
});
/** Beside the roster, for they outlive it: who is out stays out. */
const RevocationsFile = z.object({ v: z.literal(1), documents: z.array(z.string()) });
const pendingForMs = 10 * 60_000;
const maxPending = 16;
const refusedForMs = 10 * 60_000;

export class Roster implements DocumentStore {
  readonly #identity: Identity;
  readonly #path: string;
  readonly #revocationsPath: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #warnings: Warnings;
  readonly #members = new Map<string, Member>();
  readonly #pending = new Map<string, Pending>();
  #revocations: Revocations = noRevocations;
  /** How many of them are in the file of their own. */
  #savedRevocations = 0;
  #queue: Promise<unknown> = Promise.resolve();
  /** Called after the set of members or a record in it has changed. */
  onChange: () => void = () => {};
  /** Whether a member is dead or has left, as far as is known here. */
  isGone: (id: string) => boolean = () => false;

  constructor(o: { identity: Identity; stateFolder: string; clock: Clock; log: Log; warnings: Warnings }) {
    this.#identity = o.identity;
    this.#path = join(o.stateFolder, "roster.json");
    this.#revocationsPath = join(o.stateFolder, "revocations.json");
    this.#clock = o.clock;
    this.#log = o.log;
    this.#warnings = o.warnings;
  }

  /** Reads back who was known. What does not verify any more (revoked, another neighborhood) is left out. */
  async load(): Promise<void> {
    const roster = await readKept(this.#path, RosterFile);
    const revocations = await readKept(this.#revocationsPath, RevocationsFile);
    const damages = [roster.damage, revocations.damage].filter((damage) => damage !== undefined);
    for (const damage of [...this.#identity.damages, ...damages]) warnOfDamage(this.#warnings, damage);
    // Each document proves itself: one that is whole counts, whatever has become of the file around it.
    const found = damages.flatMap(({ texts }) => texts.flatMap(documentsIn));
    const file = roster.value;
    const known = [...(revocations.value?.documents ?? []), ...(file?.revocations ?? [])];
    await this.#revoke([
      ...known,
      ...(this.#identity.provision.revocations ?? []),
      ...found.filter(isOfType("hamlet-revocation")),
    ]);
    this.#savedRevocations = revocations.value?.documents.length ?? 0;
    if (this.#revocations.documents.length > this.#savedRevocations) await this.#save(() => this.#saveRevocations());
    const records = [
      ...new Set([...(file?.records ?? []), ...(roster.damage?.isLost ? found.filter(isOfType("hamlet-record")) : [])]),
    ];
    const saved = await Promise.all(records.map((jws) => readRecord(jws).catch(() => undefined)));
    // They vouch for each other, so all their keys count before the first is judged.
    const trust = this.#trust();
    const members = new Map(trust.members);
    for (const record of saved) if (record) members.set(record.id, record.deviceKey);
    const firm = new Set([...(trust.firm ?? []), ...(file?.firm ?? [])]);
    for (const jws of records) {
      const verdict = await judgeRecord(jws, { ...trust, members, firm });
      if (verdict.verdict === "member") this.#keep(verdict, jws);
    }
  }

  /**
   * Judges a record and keeps it if it proves a member; revocations that come with it count only if the record is ours.
   * Never throws on what the record says.
   */
  hear(jws: string, revocations: readonly string[] = []): Promise<Hearing> {
    const turn = this.#queue.then(() => this.#hear(jws, revocations));
    this.#queue = turn.catch(() => {});
    return turn;
  }

  /** Keeps the members' word that this device is in, one of each; what proves nothing is dropped. True if there was news. */
  async hearAdmissions(documents: readonly string[]): Promise<boolean> {
    const { id: device, neighborhood, token, admissions } = this.#identity;
    const wanted = { neighborhood: neighborhood.id, device, token: token.id };
    const keys = new Map([...this.#members.values()].map(({ record }) => [record.id, record.deviceKey]));
    const vouchers = new Set(await Promise.all(admissions.map((jws) => admittedBy(jws, wanted, keys))));
    let isNews = false;
    for (const jws of documents.slice(0, 4)) {
      const by = await admittedBy(jws, wanted, keys);
      if (by === undefined || vouchers.has(by)) continue;
      vouchers.add(by);
      await this.#identity.addAdmission(jws);
      isNews = true;
    }
    return isNews;
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
      if (this.#clock.monotonic() - heardAt > pendingForMs) this.#pending.delete(id);
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

  async #hear(jws: string, revocations: readonly string[]): Promise<Hearing> {
    let verdict = await judgeRecord(jws, this.#trust());
    if (verdict.verdict !== "refused" && revocations.length > 0 && (await this.#revoke(revocations))) {
      await this.#save();
      this.onChange();
      verdict = await judgeRecord(jws, this.#trust());
    }
    if (verdict.verdict === "refused") {
      this.#warnings.raise(
        "record.refused",
        `a record on the link was refused: ${verdict.because}`,
        "if the device is yours, provision it again from this neighborhood's folder",
        { subject: verdict.because, forMs: refusedForMs },
      );
      return verdict;
    }
    const { record } = verdict;
    if (record.id === this.#identity.id) {
      // Our own past, from before a restore or a lost write: we speak with a higher number than anything out there.
      const isLater = record.number >= this.#identity.number && jws !== this.#identity.jws;
      if (isLater) await this.#identity.goAbove(record.number);
      return { verdict: "self" };
    }
    if (verdict.verdict === "pending") {
      const waits = this.#wait(record, verdict.because);
      return waits ? { verdict: "pending", because: verdict.because } : { verdict: "refused", because: "pendingTwin" };
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
    // Our word would count for ever and everywhere: it needs a clock that may be right.
    const vouches = verdict.countersign && !this.#isClockBehind();
    const admission = vouches ? await this.#identity.admit(record, verdict.token) : undefined;
    return { verdict: "member", member, news, ...(admission && { admission }) };
  }

  /** True if something was new. */
  async #revoke(documents: readonly string[]): Promise<boolean> {
    const before = this.#revocations;
    const { revocations, refused } = await addRevocations(before, documents, this.#identity.neighborhood);
    if (refused[0]) this.#log.warn(`${refused.length} revocations were refused: ${refused[0].message}`);
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
    const isFirm = firm || standing?.firm === true;
    const member = { record, jws, name, address, firm: isFirm, tokenId: token.id, tokenIssuedAt: token.issuedAt };
    this.#members.set(record.id, member);
    this.#warnOfSurplus(token);
    return member;
  }

  /** Two sides that let devices in apart can admit more than the token's maximum together: all stay, and the owner hears of it. */
  #warnOfSurplus({ id, maxDevices }: TokenCertificate): void {
    const count = this.#trust().admittedByToken.get(id) ?? 0;
    if (count <= maxDevices) return;
    const message = `${count} devices came by token ${id}, which admits ${maxDevices}`;
    this.#warnings.raise("token.surplus", message, "look through the members; revoke what is not yours", {
      subject: id,
    });
  }

  /** The one known first keeps a name; the next becomes `attic-2`. */
  #freeName({ id, name }: MemberRecord): string {
    const others = [...this.#members.values()].filter(({ record }) => record.id !== id);
    return freeName(name, new Set([this.#identity.name, ...others.map((other) => other.name)]));
  }

  /** A member is gone, or new: who came in its place, on the same board, may go by its name now. */
  settleReplacements(): void {
    const holders = [...this.#members.values()].map(({ record, name }) => ({ id: record.id, name, record }));
    const changed = namesAfterReplacement(holders, this.#identity.name, (id) => this.isGone(id));
    for (const [id, name] of changed) {
      const member = this.#members.get(id);
      if (member) this.#members.set(id, { ...member, name });
    }
    if (changed.size > 0) this.onChange();
  }

  /** Those in whose place another member has come. */
  replaced(): string[] {
    return [...this.#members.values()].flatMap(({ record }) => record.replaces ?? []);
  }

  /** Our own name has changed: whoever had to step back for it goes by its own again. */
  ownNameChanged(): void {
    for (const [id, member] of this.#members) {
      if (member.name !== member.record.name) this.#members.set(id, { ...member, name: this.#freeName(member.record) });
    }
    this.onChange();
  }

  /** Of two with one name or code only the first waits: the owner must know which one is adopted. */
  #wait({ id, name, deviceKey }: MemberRecord, because: string): boolean {
    const code = adoptionCode(deviceKey);
    const others = this.pending().filter((other) => other.id !== id);
    if (others.length >= maxPending || others.some((other) => other.name === name || other.code === code)) return false;
    this.#pending.set(id, { id, name, code, because, heardAt: this.#clock.monotonic() });
    return true;
  }

  /** No later than now, whatever the clock says: the newest date that the root has signed. */
  #clockFloor(): number {
    return Math.max(
      this.#identity.token.issuedAt,
      ...[...this.#members.values()].map((member) => member.tokenIssuedAt),
    );
  }

  #isClockBehind(): boolean {
    const isBehind = this.#clock.now() < this.#clockFloor();
    if (isBehind) {
      const hint = "let it reach a time server (NTP); until then it lets nobody in on its own word";
      this.#warnings.raise("clock.behind", "this device's clock is behind what the root has signed", hint);
    } else this.#warnings.clear("clock.behind");
    return isBehind;
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
      now: Math.max(this.#clock.now(), this.#clockFloor()),
    };
  }

  async #saveAll(): Promise<void> {
    const members = [...this.#members.values()];
    const content: z.infer<typeof RosterFile> = {
      v: 1,
      records: members.map(({ jws }) => jws),
      firm: members.filter(({ firm }) => firm).map(({ record }) => record.id),
      revocations: this.#revocations.documents.map(({ jws }) => jws),
    };
    if (this.#revocations.documents.length > this.#savedRevocations) await this.#saveRevocations();
    await keep(this.#path, content);
  }

  async #saveRevocations(): Promise<void> {
    const documents = this.#revocations.documents.map(({ jws }) => jws);
    await keep(this.#revocationsPath, { v: 1, documents } satisfies z.infer<typeof RevocationsFile>);
    this.#savedRevocations = documents.length;
  }

  async #save(write: () => Promise<void> = () => this.#saveAll()): Promise<void> {
    try {
      await write();
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
