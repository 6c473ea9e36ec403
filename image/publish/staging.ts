// Collects finished files in a work folder and, when all are made, renames them into place in the order in which they were added.
import { readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { HamletError } from "../../system/error.ts";
import { syncPath, writeFileAtomic } from "../../system/files.ts";

export class Staging {
  readonly work: string;
  readonly #folder: string;
  readonly #steps: { kind: "replace" | "remove"; name: string }[] = [];

  /** `work` must be on the same file system as `folder`, because files are renamed. */
  constructor(work: string, folder: string) {
    this.work = work;
    this.#folder = folder;
  }

  /** Adds the file `name`, which is in the work folder, complete and flushed. */
  add(name: string): void {
    this.#steps.push({ kind: "replace", name });
  }

  /** Adds a file if its content changed, so that mirrors copy no others. It is readable by the web server. */
  async write(name: string, content: string | Buffer): Promise<void> {
    const old = await readFile(join(this.#folder, name)).catch(() => undefined);
    if (old?.equals(Buffer.from(content))) return;
    await writeFileAtomic(join(this.work, name), content, { mode: 0o644 });
    this.add(name);
  }

  async remove(name: string): Promise<void> {
    if (await stat(join(this.#folder, name)).catch(() => undefined)) this.#steps.push({ kind: "remove", name });
  }

  /** Throws `publish.unfinished` if only some are in place, else the system's error. */
  async place(): Promise<void> {
    let done = 0;
    try {
      for (const { kind, name } of this.#steps) {
        const path = join(this.#folder, name);
        if (kind === "remove") await rm(path, { force: true });
        else await rename(join(this.work, name), path);
        done += 1;
      }
      await syncPath(this.#folder);
    } catch (cause) {
      if (done === 0) throw cause;
      const all = this.#steps.length;
      throw new HamletError(
        "publish.unfinished",
        `${done} of ${all} files of ${this.#folder} are replaced, the rest not`,
        {
          hint: "publish again with the same words: it does what is missing",
          cause,
        },
      );
    }
  }
}
