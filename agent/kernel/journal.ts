// The journal of every kernel setting that the agent changes: one file, written before the kernel is changed, so that whatever a
// crash leaves behind is undone later. Another boot empties it: the kernel has forgotten the changes by itself.
import { rm } from "node:fs/promises";
import { z } from "zod";
import { describeError } from "../../system/error.ts";
import { readJson, writeJson } from "../../system/files.ts";
import type { Log } from "../../system/log.ts";
import { makeQueue } from "../../system/queue.ts";
import type { Warnings } from "../health/warnings.ts";
import { Change, type Made, record, release } from "./changes.ts";
import type { Kernel } from "./kernel.ts";

const File = z.strictObject({ v: z.literal(1), bootId: z.string(), changes: z.array(Change) });

export type Unrestored = { change: Change; because: string };

export class Journal {
  readonly #path: string;
  readonly #kernel: Kernel;
  readonly #bootId: string;
  readonly #log: Log;
  #changes: Change[];
  /** The file holds other changes than `#changes`: the last save failed. */
  #isBehind = false;
  readonly #inTurn = makeQueue();

  private constructor(path: string, kernel: Kernel, bootId: string, log: Log, changes: Change[]) {
    this.#path = path;
    this.#kernel = kernel;
    this.#bootId = bootId;
    this.#log = log;
    this.#changes = changes;
  }

  /** A damaged file raises a warning, and the journal begins empty. */
  static async open(path: string, kernel: Kernel, warnings: Pick<Warnings, "raise">, log: Log): Promise<Journal> {
    const bootId = (await kernel.sysctls.read("kernel.random.boot_id")) ?? "";
    const file = await readJson(path, File).catch((error) => {
      const message = `the journal of kernel settings is unreadable: ${describeError(error)}`;
      warnings.raise("tuning.failed", message, "settings from before a crash stay until the next reboot", "journal");
      return undefined;
    });
    return new Journal(path, kernel, bootId, log, file?.bootId === bootId ? file.changes : []);
  }

  /** Whether the kernel still holds what was changed in the boot of this id. */
  isOfThisBoot(bootId: string): boolean {
    return bootId === this.#bootId;
  }

  changes(owner: string): Change[] {
    return this.#changes.filter((change) => change.owner === owner);
  }

  /** Writes down what the caller is about to change. Throws if it cannot be written. */
  record(changes: readonly Change[]): Promise<void> {
    return this.#inTurn(() => this.#save(changes.reduce<Change[]>(record, this.#changes)));
  }

  /** As `record`, but never throws: what protects the mesh must not wait for a full disk. */
  async recordMade(owner: string, { kind, key }: Made, log: Log): Promise<void> {
    await this.record([{ kind, owner, key, was: "absent", is: "present" }]).catch((error) =>
      log.warn(`cannot write down ${key}: ${describeError(error)}`),
    );
  }

  /**
   * Undoes the owner's changes, last first. What cannot be undone stays in the journal for the next time, and is returned.
   * Never throws: a full disk must not keep the device off the mesh.
   */
  release(owner: string, isDue: (change: Change) => boolean = () => true): Promise<Unrestored[]> {
    return this.#inTurn(async () => {
      const unrestored: Unrestored[] = [];
      let changes = this.#changes;
      for (const change of this.changes(owner).filter(isDue).reverse()) {
        try {
          const { left, undo } = release(changes, change, await this.#kernel.read(change));
          if (undo) await this.#kernel.undo(undo);
          changes = left;
        } catch (error) {
          unrestored.push({ change, because: describeError(error) });
        }
      }
      await this.#save(changes).catch((error) => {
        // The kernel has changed, whatever the file says. An entry too many on disk
        // undoes nothing twice: only what is still as we set it goes back.
        this.#changes = changes;
        this.#isBehind = true;
        this.#log.warn(`cannot write down what was undone for ${owner}: ${describeError(error)}`);
      });
      return unrestored;
    });
  }

  async #save(changes: Change[]): Promise<void> {
    if (!this.#isBehind && JSON.stringify(changes) === JSON.stringify(this.#changes)) return;
    if (changes.length === 0) await rm(this.#path, { force: true });
    else await writeJson(this.#path, { v: 1, bootId: this.#bootId, changes } satisfies z.infer<typeof File>);
    this.#changes = changes;
    this.#isBehind = false;
  }
}
