// The files that outlive a restart: the members, and the revocations in a file of their own, for who is out stays out.
// Members can say something new as often as they like, and each newcomer makes the roster longer: what is written for them is bounded.
import { z } from "zod";
import { agentFilesIn } from "../../provisioning/handover/agent-files.ts";
import type { Basis } from "../../provisioning/trust/judge.ts";
import { Bucket } from "../../system/bucket.ts";
import { type Damage, keep, readKept } from "../../system/kept.ts";
import { documentsIn, isOfType } from "./salvage.ts";
import type { State, StateFile } from "./state.ts";

const RosterFile = z.object({
  v: z.literal(1),
  members: z.array(
    z.object({
      record: z.string(),
      basis: z.enum(["judged", "vouched", "faith", "clock"]),
      name: z.string().optional().describe("by which this device knows it; that in the record is what it wants"),
      absentMs: z.number().min(0).default(0),
    }),
  ),
  revocations: z.array(z.string()).describe("once more, should their own file be lost"),
});
const DocumentsFile = z.object({ v: z.literal(1), documents: z.array(z.string()) });

export type KeptMember = { record: string; basis: Basis; name?: string | undefined; absentMs: number };
export type KeptDocuments = {
  members: KeptMember[];
  revocations: string[];
  adoptions: string[];
  rejections: string[];
  damages: Damage[];
};

/** Design 11: under 5 MB a day; with a full bucket at its beginning, a day has twice this, and one roster more. */
const bytesADay = 2_000_000;

export class Store {
  readonly #roster: string;
  readonly #revocations: string;
  readonly #adoptions: string;
  readonly #rejections: string;
  /** How many revocations their file holds. */
  #savedRevocations = 0;
  readonly #bytes = new Bucket({ burst: bytesADay, perSecond: bytesADay / 86_400 });
  /** Whether the roster on disk is older than what is known. */
  #isOwing = false;
  #isOwingAdoptions = false;

  constructor(stateFolder: string) {
    const files = agentFilesIn(stateFolder);
    this.#roster = files.roster;
    this.#revocations = files.revocations;
    this.#adoptions = files.adoptions;
    this.#rejections = files.rejections;
  }

  async load(): Promise<KeptDocuments> {
    const roster = await readKept(this.#roster, RosterFile);
    const revocations = await readKept(this.#revocations, DocumentsFile);
    const adoptions = await readKept(this.#adoptions, DocumentsFile);
    const rejections = await readKept(this.#rejections, DocumentsFile);
    const damages = [roster, revocations, adoptions, rejections]
      .map(({ damage }) => damage)
      .filter((damage) => damage !== undefined);
    // Each document proves itself: a whole one counts, whatever has become of the file around it.
    const found = damages.flatMap(({ texts }) => texts.flatMap(documentsIn));
    const foundRecords = roster.damage?.isLost ? found.filter(isOfType("hamlet-record")) : [];
    this.#savedRevocations = revocations.value?.documents.length ?? 0;
    return {
      members: [
        ...(roster.value?.members ?? []),
        ...[...new Set(foundRecords)].map((record): KeptMember => ({ record, basis: "faith", absentMs: 0 })),
      ],
      revocations: [
        ...(revocations.value?.documents ?? []),
        ...(roster.value?.revocations ?? []),
        ...found.filter(isOfType("hamlet-revocation")),
      ],
      adoptions: [...(adoptions.value?.documents ?? []), ...found.filter(isOfType("hamlet-adoption"))],
      rejections: [...(rejections.value?.documents ?? []), ...found.filter(isOfType("hamlet-rejection"))],
      damages,
    };
  }

  /** The roster now, or later if too much has been written lately. `monotonicMs` only grows. Throws `file.full` or the system's error. */
  save(file: StateFile, state: State, monotonicMs: number): Promise<void> {
    switch (file) {
      case "roster":
        return this.saveRoster(state, monotonicMs);
      case "revocations":
        return this.saveRevocations(state);
      case "adoptions":
        return this.saveAdoptions(state);
      case "rejections":
        return this.saveRejections(state);
    }
  }

  async saveRoster(state: State, monotonicMs: number): Promise<void> {
    this.#isOwing = true;
    await this.settle(state, monotonicMs);
  }

  /** Writes what is owed, if it may. */
  async settle(state: State, monotonicMs: number): Promise<void> {
    if (!this.#isOwing || this.#bytes.level(monotonicMs) <= 0) return;
    await this.flush(state);
  }

  /** Writes what is owed, before the agent ends. */
  async flush(state: State): Promise<void> {
    if (this.#isOwingAdoptions) await this.saveAdoptions(state);
    if (!this.#isOwing) return;
    await this.saveRevocations(state);
    const members = [...state.members.values()].map(({ jws, ...member }): KeptMember => {
      const { basis, name, absentMs } = member;
      return { record: jws, basis, name, absentMs };
    });
    const content: z.infer<typeof RosterFile> = {
      v: 1,
      members,
      revocations: state.revocations.documents.map(({ jws }) => jws),
    };
    // The file and its copy; a sum and line breaks are some per cent more.
    this.#bytes.take(2.2 * JSON.stringify(content).length);
    await keep(this.#roster, content);
    this.#isOwing = false;
  }

  /** Writes only what the file lacks: the set never shrinks. */
  async saveRevocations({ revocations }: State): Promise<void> {
    const documents = revocations.documents.map(({ jws }) => jws);
    if (documents.length <= this.#savedRevocations) return;
    await keep(this.#revocations, { v: 1, documents } satisfies z.infer<typeof DocumentsFile>);
    this.#savedRevocations = documents.length;
  }

  /** Tried again with the roster, should the disk be full. */
  async saveAdoptions({ adoptions }: State): Promise<void> {
    this.#isOwingAdoptions = true;
    const documents = [...adoptions.values()].map(({ jws }) => jws);
    await keep(this.#adoptions, { v: 1, documents } satisfies z.infer<typeof DocumentsFile>);
    this.#isOwingAdoptions = false;
  }

  async saveRejections({ rejections }: State): Promise<void> {
    const documents = [...rejections.values()].map(({ jws }) => jws);
    await keep(this.#rejections, { v: 1, documents } satisfies z.infer<typeof DocumentsFile>);
  }
}
