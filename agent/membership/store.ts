// The files that outlive a restart: the members, and the revocations in a file of their own, for who is out stays out.
import { z } from "zod";
import { agentFilesIn } from "../../provisioning/handover/agent-files.ts";
import { type Damage, keep, readKept } from "../../system/kept.ts";
import { documentsIn, isOfType } from "./salvage.ts";
import type { State } from "./state.ts";

const RosterFile = z.object({
  v: z.literal(1),
  records: z.array(z.string()),
  firm: z.array(z.string()).describe("ids of the members that were not accepted on faith alone"),
  revocations: z.array(z.string()).describe("for earlier releases, which know of no other place"),
});
const DocumentsFile = z.object({ v: z.literal(1), documents: z.array(z.string()) });

export type KeptDocuments = {
  records: string[];
  firm: string[];
  revocations: string[];
  adoptions: string[];
  damages: Damage[];
};

export class Store {
  readonly #roster: string;
  readonly #revocations: string;
  readonly #adoptions: string;
  /** How many revocations their file holds. */
  #savedRevocations = 0;

  constructor(stateFolder: string) {
    const files = agentFilesIn(stateFolder);
    this.#roster = files.roster;
    this.#revocations = files.revocations;
    this.#adoptions = files.adoptions;
  }

  async load(): Promise<KeptDocuments> {
    const roster = await readKept(this.#roster, RosterFile);
    const revocations = await readKept(this.#revocations, DocumentsFile);
    const adoptions = await readKept(this.#adoptions, DocumentsFile);
    const damages = [roster.damage, revocations.damage, adoptions.damage].filter((damage) => damage !== undefined);
    // Each document proves itself: a whole one counts, whatever has become of the file around it.
    const found = damages.flatMap(({ texts }) => texts.flatMap(documentsIn));
    const foundRecords = roster.damage?.isLost ? found.filter(isOfType("hamlet-record")) : [];
    this.#savedRevocations = revocations.value?.documents.length ?? 0;
    return {
      records: [...new Set([...(roster.value?.records ?? []), ...foundRecords])],
      firm: roster.value?.firm ?? [],
      revocations: [
        ...(revocations.value?.documents ?? []),
        ...(roster.value?.revocations ?? []),
        ...found.filter(isOfType("hamlet-revocation")),
      ],
      adoptions: [...(adoptions.value?.documents ?? []), ...found.filter(isOfType("hamlet-adoption"))],
      damages,
    };
  }

  /** Throws `file.full` or the system's error. */
  save(file: "roster" | "revocations" | "adoptions", state: State): Promise<void> {
    if (file === "roster") return this.saveRoster(state);
    return file === "revocations" ? this.saveRevocations(state) : this.saveAdoptions(state);
  }

  async saveRoster(state: State): Promise<void> {
    await this.saveRevocations(state);
    const members = [...state.members.values()];
    const content: z.infer<typeof RosterFile> = {
      v: 1,
      records: members.map(({ jws }) => jws),
      firm: members.filter(({ firm }) => firm).map(({ record }) => record.id),
      revocations: state.revocations.documents.map(({ jws }) => jws),
    };
    await keep(this.#roster, content);
  }

  /** Writes only what the file lacks: the set never shrinks. */
  async saveRevocations({ revocations }: State): Promise<void> {
    const documents = revocations.documents.map(({ jws }) => jws);
    if (documents.length <= this.#savedRevocations) return;
    await keep(this.#revocations, { v: 1, documents } satisfies z.infer<typeof DocumentsFile>);
    this.#savedRevocations = documents.length;
  }

  async saveAdoptions({ adoptions }: State): Promise<void> {
    const documents = [...adoptions.values()].map(({ jws }) => jws);
    await keep(this.#adoptions, { v: 1, documents } satisfies z.infer<typeof DocumentsFile>);
  }
}
