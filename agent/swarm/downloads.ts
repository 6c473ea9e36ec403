// Fetches each piece once, however many want it at the same time, and gives its memory back when the last of them has used it.
import { free } from "../../system/free.ts";

type Download = { bytes: Promise<Buffer>; users: number };

export class Downloads {
  readonly #running = new Map<string, Download>();

  has(key: string): boolean {
    return this.#running.has(key);
  }

  /** `use` may not keep the bytes. Throws what `fetch` throws for whoever began it, and begins anew for the others. */
  async use<T>(key: string, fetch: () => Promise<Buffer>, use: (bytes: Buffer) => Promise<T>): Promise<T> {
    const joined = this.#running.get(key);
    if (!joined) return this.#begin(key, fetch, use);
    joined.users += 1;
    const isThere = await joined.bytes.then(
      () => true,
      () => false,
    );
    // Whoever began it may have hung up, or be forbidden to fetch.
    return isThere ? this.#end(joined, use) : this.use(key, fetch, use);
  }

  async #begin<T>(key: string, fetch: () => Promise<Buffer>, use: (bytes: Buffer) => Promise<T>): Promise<T> {
    const download: Download = { bytes: fetch(), users: 1 };
    this.#running.set(key, download);
    try {
      await download.bytes;
    } finally {
      this.#running.delete(key);
    }
    return this.#end(download, use);
  }

  async #end<T>(download: Download, use: (bytes: Buffer) => Promise<T>): Promise<T> {
    const bytes = await download.bytes;
    try {
      return await use(bytes);
    } finally {
      download.users -= 1;
      if (download.users === 0) free(bytes);
    }
  }
}
