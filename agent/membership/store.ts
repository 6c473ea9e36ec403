// The files that outlive a restart: the members, and the revocations in a file of their own, for who is out stays out.
// Members can say something new as often as they like, and each newcomer makes the roster longer: what is written for them is bounded.
// What the root has signed is written at once: no member can say it, nor use up what it needs.
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
      tookFrom: z.string().optional().describe("the member that it replaces and that gave it this name"),
      absentMs: z.number().min(0).default(0),
    }),
  ),
  revocations: z.array(z.string()).describe("once more, should their own file be lost"),
});
const DocumentsFile = z.object({ v: z.literal(1), documents: z.array(z.string()) });

export type KeptMember = {
  record: string;
  basis: Basis;
  name?: string | undefined;
  tookFrom?: string | undefined;
  absentMs: number;
};
export type KeptDocuments = {
  members: KeptMember[];
  revocations: string[];
  adoptions: string[];
  rejections: string[];
  damages: Damage[];
};

/** The files of what the root has signed. */
export type SignedFile = Exclude<StateFile, "roster">;

/** Of the 5 MB a day that all files together may cost. With a full bucket at its beginning, a day has twice this, and one roster more. */
const bytesADay = 1_000_000;
/** On a full disk, whatever happens meanwhile. */
const againAfterMs = 60_000;

export class Store {
  readonly #paths: Record<StateFile, string>;
  /** What each file holds. */
  readonly #saved: Record<SignedFile, ReadonlySet<string>> = {
    ...{ revocations: new Set(), adoptions: new Set(), rejections: new Set() },
  };
  readonly #bytes = new Bucket({ burst: bytesADay, perSecond: bytesADay / 86_400 });
  /** Whether the roster on disk is older than what is known. */
  #isOwingRoster = false;
  /** What could not be written, because the disk is full. */
  readonly #owed = new Set<SignedFile>();
  #triedAtMs = Number.NEGATIVE_INFINITY;

  constructor(stateFolder: string) {
    const { roster, revocations, adoptions, rejections } = agentFilesIn(stateFolder);
    this.#paths = { roster, revocations, adoptions, rejections };
  }

  async load(): Promise<KeptDocuments> {
    const roster = await readKept(this.#paths.roster, RosterFile);
    const revocations = await readKept(this.#paths.revocations, DocumentsFile);
    const adoptions = await readKept(this.#paths.adoptions, DocumentsFile);
    const rejections = await readKept(this.#paths.rejections, DocumentsFile);
    const damages = [roster, revocations, adoptions, rejections]
      .map(({ damage }) => damage)
      .filter((damage) => damage !== undefined);
    // Each document proves itself: a whole one counts, whatever has become of the file around it.
    const found = damages.flatMap(({ texts }) => texts.flatMap(documentsIn));
    const foundRecords = roster.damage?.isLost ? found.filter(isOfType("hamlet-record")) : [];
    for (const [file, { value }] of Object.entries({ revocations, adoptions, rejections })) {
      this.#saved[file as SignedFile] = new Set(value?.documents);
    }
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

  /**
   * The roster now, or later if too much has been written lately; any other file now. `monotonicMs` only grows. Throws `file.full` or the
   * system's error.
   */
  async save(file: StateFile, state: State, monotonicMs: number): Promise<void> {
    if (file !== "roster") return await this.#saveSigned(file, state, monotonicMs);
    this.#isOwingRoster = true;
    await this.settle(state, monotonicMs);
  }

  /** Whether something that the root has signed is not on disk: in `file`, or in any. */
  owes(file?: SignedFile): boolean {
    return file === undefined ? this.#owed.size > 0 : this.#owed.has(file);
  }

  /** Writes what is owed, if it may. */
  async settle(state: State, monotonicMs: number): Promise<void> {
    if (monotonicMs - this.#triedAtMs >= againAfterMs) await this.#settleSigned(state, monotonicMs);
    if (this.#isOwingRoster && this.#bytes.level(monotonicMs) > 0) await this.#saveRoster(state);
  }

  /** Writes what is owed, before the agent ends. */
  async flush(state: State, monotonicMs: number): Promise<void> {
    await this.#settleSigned(state, monotonicMs);
    if (this.#isOwingRoster) await this.#saveRoster(state);
  }

  async #settleSigned(state: State, monotonicMs: number): Promise<void> {
    for (const file of this.#owed) await this.#saveSigned(file, state, monotonicMs);
  }

  async #saveSigned(file: SignedFile, state: State, monotonicMs: number): Promise<void> {
    this.#owed.add(file);
    this.#triedAtMs = monotonicMs;
    const documents = documentsOf(state, file);
    // Only what the file lacks is worth a write: what it has too many no longer counts.
    if (documents.some((jws) => !this.#saved[file].has(jws))) {
      await keep(this.#paths[file], { v: 1, documents } satisfies z.infer<typeof DocumentsFile>);
      this.#saved[file] = new Set(documents);
    }
    this.#owed.delete(file);
  }

  async #saveRoster(state: State): Promise<void> {
    const members = [...state.members.values()].map(({ jws, ...member }): KeptMember => {
      const { basis, name, tookFrom, absentMs } = member;
      return { record: jws, basis, name, ...(tookFrom && { tookFrom }), absentMs };
    });
    const content: z.infer<typeof RosterFile> = { v: 1, members, revocations: documentsOf(state, "revocations") };
    // The file and its copy; a sum and line breaks are some per cent more.
    this.#bytes.take(2.2 * JSON.stringify(content).length);
    await keep(this.#paths.roster, content);
    this.#isOwingRoster = false;
  }
}

function documentsOf({ revocations, adoptions, rejections }: State, file: SignedFile): string[] {
  const signed = { revocations: revocations.documents, adoptions: adoptions.values(), rejections: rejections.values() };
  return [...signed[file]].map(({ jws }) => jws);
}
