// What other programs make of the same two releases: the bytes that a device would fetch, and their times.
import { hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { cp, mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import { run } from "../../../system/command.ts";
import type { PartFiles } from "./device.ts";
import { webWithRanges } from "./web.ts";
import type { Carried } from "./wire.ts";

const parts = ["root", "kernel"] as const;
const long = { timeoutMs: 3_600_000 };
type Pack = (part: (typeof parts)[number], to: string) => Promise<unknown>;

async function sizeOfBoth(work: string, pack: Pack): Promise<number> {
  const to = join(work, "packed");
  let bytes = 0;
  for (const part of parts) {
    await pack(part, to);
    bytes += (await stat(to)).size;
    await rm(to);
  }
  return bytes;
}

export const fullZstd = (work: string, newer: PartFiles): Promise<number> =>
  sizeOfBoth(work, (part, to) => run(["zstd", "-q", "-19", "-T0", "-o", to, newer[part]], long));

/** With a window that holds the whole older part. */
export const patchFrom = (work: string, older: PartFiles, newer: PartFiles): Promise<number> =>
  sizeOfBoth(work, (part, to) =>
    run(["zstd", "-q", "-19", "-T0", "--long=29", `--patch-from=${older[part]}`, "-o", to, newer[part]], long),
  );

export const xdelta = (work: string, older: PartFiles, newer: PartFiles): Promise<number> =>
  sizeOfBoth(work, (part, to) =>
    run(["xdelta3", "-e", "-9", "-B", String(1 << 29), "-s", older[part], newer[part], to], long),
  );

/** By zchunk's own program: what would be downloaded, without HTTP's headers. */
export async function zchunk(work: string, older: PartFiles, newer: PartFiles): Promise<number> {
  let bytes = 0;
  for (const part of parts) {
    const [from, to] = [join(work, "older.zck"), join(work, "newer.zck")];
    await run(["zck", "-o", from, older[part]], long);
    await run(["zck", "-o", to, newer[part]], long);
    const told = await run(["zck_delta_size", from, to], long);
    const found = /download (\d+) of \d+ bytes/.exec(told)?.[1];
    if (found === undefined) throw new Error(`zck_delta_size: ${told}`);
    bytes += Number(found);
    await rm(from);
    await rm(to);
  }
  return bytes;
}

/**
 * RAUC 1.8's adaptive method `block-hash-index`, modelled: the index has a sha256 for each block of 4 KiB, and blocks that the older
 * slot lacks come from the bundle's squashfs, whose blocks are counted only as far as they are wanted.
 */
export async function raucModel(older: PartFiles, newer: PartFiles): Promise<number> {
  let bytes = 0;
  for (const part of parts) {
    const had = new Set<string>();
    for await (const block of blocksOf(older[part])) had.add(hash("sha256", block));
    let wanted: Buffer[] = [];
    const fetchWanted = () => {
      if (wanted.length > 0) bytes += zstdCompressSync(Buffer.concat(wanted), bestLevel).length;
      wanted = [];
    };
    let count = 0;
    for await (const block of blocksOf(newer[part])) {
      const name = hash("sha256", block);
      if (!had.has(name)) wanted.push(Buffer.from(block));
      had.add(name);
      count += 1;
      if (count % blocksOfSquashfs === 0) fetchWanted();
    }
    fetchWanted();
    bytes += 32 * count;
  }
  return bytes;
}

const blockBytes = 4096;
const blocksOfSquashfs = (128 << 10) / blockBytes;
const bestLevel = { params: { [constants.ZSTD_c_compressionLevel]: 19 } };

async function* blocksOf(path: string): AsyncGenerator<Buffer> {
  for await (const piece of createReadStream(path, { highWaterMark: 256 * blockBytes }) as AsyncIterable<Buffer>) {
    for (let at = 0; at < piece.length; at += blockBytes) yield piece.subarray(at, at + blockBytes);
  }
}

export type Casync = {
  /** Makes the indexes of the newer release, in a store that has the older one's; milliseconds. */
  make(): Promise<number>;
  /** The newer release, with the older one as seed, over HTTP. The files are synced, as an updater would have to. */
  extract(): Promise<{ ms: number; carried: Carried }>;
};

export async function openCasync(work: string, older: PartFiles, newer: PartFiles): Promise<Casync> {
  const [pristine, store, web] = [join(work, "pristine"), join(work, "web/store"), join(work, "web")];
  await mkdir(pristine, { recursive: true });
  await mkdir(web, { recursive: true });
  const makeIn = async (folder: string, of: PartFiles, name: string) => {
    for (const part of parts) {
      await run(["casync", "make", `--store=${folder}`, join(web, `${name}-${part}.caibx`), of[part]], long);
    }
  };
  await makeIn(pristine, older, "older");
  return {
    async make() {
      await rm(store, { recursive: true, force: true });
      await cp(pristine, store, { recursive: true });
      return await milliseconds(() => makeIn(store, newer, "newer"));
    },
    async extract() {
      if ((await readdir(store)).length === 0) throw new Error("make comes first");
      const wire = await webWithRanges(web);
      try {
        const ms = await milliseconds(async () => {
          for (const part of parts) {
            const to = join(work, `extracted-${part}`);
            await rm(to, { force: true });
            const from = `${wire.url}/newer-${part}.caibx`;
            const argv = ["casync", "extract", `--store=${wire.url}/store`, `--seed=${older[part]}`, from, to] as const;
            await run([...argv], long);
            await run(["sync", to], long);
          }
        });
        return { ms, carried: wire.take() };
      } finally {
        await wire.close();
      }
    },
  };
}

export async function milliseconds(task: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await task();
  return performance.now() - startedAt;
}
