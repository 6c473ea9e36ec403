// What this device has fetched of a release, kept on `data` for the other members: each piece a file, with a digest, because a piece that
// a worn card has changed would make this device a liar. The piece that nobody has used for longest makes room.
import { hash } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeQueue } from "../../system/queue.ts";

export type Shelf = {
  has(key: string): boolean;
  /** Undefined for what is not there, or is damaged. */
  get(key: string): Promise<Buffer | undefined>;
  /** Keeps a copy, if there is room. Never throws: a disk that takes nothing holds up no update. */
  put(key: string, bytes: Buffer): Promise<void>;
  /** The piece has been unpacked, and was right. Forgotten at a restart. */
  prove(key: string): void;
  isProven(key: string): boolean;
  remove(key: string): Promise<void>;
  /** Removes what has lain there for too long. */
  tidy(): Promise<void>;
};
export type ShelfOptions = {
  folder: string;
  now(): number;
  maxBytes?: number;
  maxPieces?: number;
  /** Of the file system, which others need as well. */
  spareBytes?: number;
};

/** A large update with a new kernel has 13 MB in packs, a whole system 70 MB in chunks. */
const usualMaxBytes = 128 << 20;
/** A whole system has 3,500 chunks. */
const usualMaxPieces = 8_192;
const usualSpareBytes = 256 << 20;
/** A member that was away for longer holds up no rollout. */
const longestMs = 8 * 24 * 3600_000;
const digestBytes = 32;
const keyPattern = /^[fop]-[0-9a-f-]{64,96}$/;

export async function openShelf(options: ShelfOptions): Promise<Shelf> {
  const { folder, now, maxBytes = usualMaxBytes, maxPieces = usualMaxPieces, spareBytes = usualSpareBytes } = options;
  /** Sizes by key; the one that was not used for longest is the first. */
  const sizes = new Map<string, number>();
  const proven = new Set<string>();
  const inTurn = makeQueue();
  let totalBytes = 0;
  const pathOf = (key: string) => join(folder, key);
  const forget = async (key: string) => {
    totalBytes -= sizes.get(key) ?? 0;
    sizes.delete(key);
    proven.delete(key);
    await rm(pathOf(key), { force: true });
  };
  const use = (key: string, sizeBytes: number) => {
    sizes.delete(key);
    sizes.set(key, sizeBytes);
  };

  await mkdir(folder, { recursive: true }).catch(() => {});
  const names = await readdir(folder).catch(() => []);
  const found = await Promise.all(
    names.map(async (key) => ({ key, at: await stat(pathOf(key)).catch(() => undefined) })),
  );
  for (const { key, at } of found.toSorted((a, b) => (a.at?.mtimeMs ?? 0) - (b.at?.mtimeMs ?? 0))) {
    if (!at || !keyPattern.test(key)) continue;
    sizes.set(key, at.size);
    totalBytes += at.size;
  }

  async function hasRoom(sizeBytes: number): Promise<boolean> {
    const { bavail, bsize } = await statfs(folder).catch(() => ({ bavail: 0, bsize: 0 }));
    return bavail * bsize >= spareBytes + sizeBytes;
  }

  return {
    has: (key) => sizes.has(key),
    async get(key) {
      const sizeBytes = sizes.get(key);
      if (sizeBytes === undefined) return undefined;
      const file = await readFile(pathOf(key)).catch(() => Buffer.alloc(0));
      const bytes = file.subarray(digestBytes);
      if (file.length > digestBytes && hash("sha256", bytes, "buffer").equals(file.subarray(0, digestBytes))) {
        use(key, sizeBytes);
        return bytes;
      }
      await inTurn(() => forget(key));
      return undefined;
    },
    put: (key, bytes) =>
      inTurn(async () => {
        const sizeBytes = digestBytes + bytes.length;
        if (sizeBytes > maxBytes / 4 || !(await hasRoom(sizeBytes))) return;
        if (sizes.has(key)) await forget(key);
        for (const [oldest] of sizes) {
          if (totalBytes + sizeBytes <= maxBytes && sizes.size < maxPieces) break;
          await forget(oldest);
        }
        use(key, sizeBytes);
        totalBytes += sizeBytes;
        const file = Buffer.concat([hash("sha256", bytes, "buffer"), bytes]);
        await writeFile(pathOf(key), file, { mode: 0o600 }).catch(() => forget(key));
      }),
    prove: (key) => void (sizes.has(key) && proven.add(key)),
    isProven: (key) => proven.has(key),
    remove: (key) => inTurn(() => forget(key)),
    tidy: () =>
      inTurn(async () => {
        for (const key of [...sizes.keys()]) {
          const at = await stat(pathOf(key)).catch(() => undefined);
          if (!at || now() - at.mtimeMs > longestMs) await forget(key);
        }
      }),
  };
}
