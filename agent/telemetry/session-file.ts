// The sessions of the broker on this device's disk, so that they outlive a restart. They are written at most as often as the card bears,
// and without the oldest of what does not fit: what came since is lost with the power, unless another member was next in line and has it.
import { rm } from "node:fs/promises";
import { z } from "zod";
import type { Sessions } from "../../ota/fleet/sessions.ts";
import { Bucket } from "../../system/bucket.ts";
import { describeError } from "../../system/error.ts";
import { readJson, writeFileAtomic } from "../../system/files.ts";
import type { Log } from "../../system/log.ts";

/** Of the 5 MB a day that all files together may cost: at once, again in a day, and one file more. */
const burstBytes = 300_000;
const bytesADay = 700_000;
/** Of messages, which base64 makes a third longer. */
const mostBytes = 150_000;
const soonestMs = 60_000;
/** As a file system writes it: at least a block, its place and its name. */
const overheadBytes = 12_288;

const File = z.object({ v: z.literal(1), news: z.array(z.string().max(32_768)).max(200_000) });

export class SessionFile {
  readonly #path: string;
  readonly #log: Log;
  #written = "";
  #isThere = true;
  readonly #bytes = new Bucket({ burst: burstBytes, perSecond: bytesADay / 86_400 });
  #nextAt = Number.NEGATIVE_INFINITY;

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  /** What `Sessions.hear` reads; nothing if there is no file, or a damaged one. */
  async load(): Promise<Buffer[]> {
    try {
      const file = await readJson(this.#path, File);
      return (file?.news ?? []).map((line) => Buffer.from(line, "base64"));
    } catch (error) {
      this.#log.warn(`what waited at the broker is lost: ${describeError(error)}`);
      return [];
    }
  }

  /** Writes what has changed, if it is time; `isLast`: now. `now` is monotonic. */
  async save(sessions: Sessions, now: number, { isLast = false } = {}): Promise<void> {
    if (!isLast && (now < this.#nextAt || this.#bytes.level(now) <= 0)) return;
    this.#nextAt = now + soonestMs;
    if (sessions.size === 0) return this.remove();
    // How long somebody has been away changes with every look, and matters by the hour.
    const hour = Math.floor(now / 3_600_000) * 3_600_000;
    const news = sessions.forFile(hour, mostBytes).map((bytes) => bytes.toString("base64"));
    const text = JSON.stringify({ v: 1, news } satisfies z.infer<typeof File>);
    if (text === this.#written) return;
    this.#bytes.take(text.length + overheadBytes);
    try {
      await writeFileAtomic(this.#path, text);
      [this.#written, this.#isThere] = [text, true];
    } catch (error) {
      this.#log.warn(`what waits at the broker is not saved: ${describeError(error)}`);
    }
  }

  async remove(): Promise<void> {
    if (!this.#isThere) return;
    [this.#written, this.#isThere] = ["", false];
    await rm(this.#path, { force: true }).catch((error) => this.#log.warn(describeError(error)));
  }
}
