// What a voter has promised, on disk before it says so.
import { z } from "zod";
import { agentFilesIn } from "../../../provisioning/handover/agent-files.ts";
import { type Damage, keep, readKept } from "../../../system/kept.ts";
import { mostVoters } from "./list.ts";
import { mostSilentHours } from "./silence.ts";
import type { Kept } from "./state.ts";
import { mostSlots } from "./terms.ts";

const Ballot = z.tuple([z.int().min(1), z.string()]);
const Slot = z
  .int()
  .min(0)
  .max(mostSlots - 1);
const LeasesFile = z.object({
  v: z.literal(1),
  device: z.string().describe("whose promises these are: a device that gave up its identity begins anew"),
  list: z.object({
    founder: z.string(),
    number: z.int().min(1),
    voters: z.array(z.string()).min(1).max(mostVoters),
  }),
  promised: Ballot.optional(),
  accepted: z
    .object({ ballot: Ballot, change: z.object({ op: z.enum(["add", "remove"]), id: z.string() }) })
    .optional(),
  grants: z.array(z.object({ slot: Slot, holder: z.string(), claim: z.string() })),
  silentHours: z
    .record(z.string(), z.int().min(1).max(mostSilentHours))
    .optional()
    .describe("for how long others had said nothing while this device ran"),
  held: z.object({ slot: Slot, claim: z.string() }).optional().describe("the lease that this device holds itself"),
});

export class LeaseStore {
  readonly #path: string;
  readonly #device: string;

  constructor(stateFolder: string, device: string) {
    this.#path = agentFilesIn(stateFolder).leases;
    this.#device = device;
  }

  async load(): Promise<{ kept?: Kept; damage?: Damage }> {
    const { value, damage } = await readKept(this.#path, LeasesFile);
    const { v: _, device, ...kept } = value ?? { device: undefined };
    return { ...(device === this.#device && { kept: kept as Kept }), ...(damage && { damage }) };
  }

  /** Throws `file.full` or the system's error. */
  save(kept: Kept): Promise<void> {
    return keep(this.#path, { v: 1, device: this.#device, ...kept } as z.infer<typeof LeasesFile>);
  }
}
