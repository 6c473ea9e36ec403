// Readers of untrusted disks: images, cards and the file systems on them.
import { execFileSync } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32, zstdCompressSync } from "node:zlib";
import { imageDiff } from "../../cli/commands/image/diff.ts";
import { imageInspect } from "../../cli/commands/image/inspect.ts";
import { mapImage } from "../../image/assemble/map.ts";
import { autobootSector } from "../../image/boot/rpi/autoboot.ts";
import { findProvisionBlock, readProvisionBlock } from "../../image/card/provision.ts";
import { contentOf, openErofs, readErofsFile, walkErofs } from "../../image/disk/erofs.ts";
import { listFatFolder, readFatFile } from "../../image/disk/fat.ts";
import { sectorBytes } from "../../image/disk/gpt.ts";
import { readerOf } from "../../image/disk/read-at.ts";
import { openImage } from "../../image/flash/source.ts";
import { withContents } from "../../image/inspect/contents.ts";
import { inspectImage } from "../../image/inspect/inspect.ts";
import { planBoot } from "../../image/lab/firmware/firmware.ts";
import { silentProgress } from "../../system/progress.ts";
import { makeCard, makeFat } from "../image/card/card.ts";
import { makeDisk } from "../image/disk/disk.ts";
import { makeImage, places } from "../image/flash/image.ts";
import { autobootFiles, bootFiles, rpi } from "../image/lab/firmware/board.ts";
import { memoryFile } from "./meter.ts";
import { mutateDisk, mutateText, type Spot } from "./mutate.ts";
import type { Reader } from "./reader.ts";

const esp = 2048 * sectorBytes;
const root = (2048 + 4096) * sectorBytes;
const fatSpots = (start: number): Spot[] => [
  [start, 96],
  [start + 32 * sectorBytes, 600],
  [start + (32 + 64) * sectorBytes, 512],
  [start + (32 + 64) * sectorBytes + 2048, 6 * 2048],
];
const gptSpots: Spot[] = [
  [sectorBytes, 92],
  [2 * sectorBytes, 128 * 6],
];

/** Corrects the checksums, so that the reader gets as far as the damage. */
function mendGpt(disk: Buffer): Buffer {
  if (disk.length < 34 * sectorBytes) return disk;
  disk.writeUInt32LE(crc32(disk.subarray(2 * sectorBytes, 34 * sectorBytes)), sectorBytes + 88);
  disk.writeUInt32LE(0, sectorBytes + 16);
  disk.writeUInt32LE(crc32(disk.subarray(sectorBytes, sectorBytes + 92)), sectorBytes + 16);
  return disk;
}

/** Root filesystems made by mkfs.erofs, with folders, links and files of all sizes. */
async function makeRoots(folder: string): Promise<Buffer[]> {
  const tree = join(folder, "tree");
  await mkdir(join(tree, "usr/share/hamlet"), { recursive: true });
  for (let index = 0; index < 40; index++)
    await writeFile(join(tree, `usr/share/file-${index}`), "x".repeat(index * 50));
  await symlink("a", join(tree, "link"));
  await writeFile(join(tree, "usr/share/hamlet/sbom.cdx.json"), "{}");
  const roots: Buffer[] = [];
  for (const [name, options] of Object.entries({ plain: ["-Enoinline_data"], inline: [], packed: ["-zlz4hc"] })) {
    execFileSync("mkfs.erofs", ["--quiet", "-T0", ...options, join(folder, name), tree], { stdio: "ignore" });
    roots.push(await readFile(join(folder, name)));
  }
  return roots;
}

async function writeInput(input: Buffer, folder: string): Promise<string> {
  const path = join(folder, "input.img");
  await writeFile(path, input);
  return path;
}

async function readErofs(readAt: ReturnType<typeof readerOf>, start: number): Promise<void> {
  const volume = await openErofs(readAt, start);
  if (!volume) return;
  for await (const entry of walkErofs(readAt, volume))
    if (entry.kind === "file") await contentOf(readAt, entry, 1 << 20);
  await readErofsFile(readAt, volume, "usr/share/hamlet/sbom.cdx.json", 1 << 20);
}

/** A terminal that discards its output. */
const nowhere = { print() {}, note() {}, progress: silentProgress };

/** Reads one input in several ways, each of which may refuse it. */
async function each(...ways: (() => Promise<unknown>)[]): Promise<void> {
  let refusal: unknown;
  for (const way of ways) {
    await way().catch((error: unknown) => {
      if (!(error instanceof Error) || error.name !== "HamletError") throw error;
      refusal ??= error;
    });
  }
  if (refusal) throw refusal;
}

const image: Reader = {
  name: "image",
  needs: ["mkfs.erofs"],
  inputs: 30,
  async samples(folder) {
    const disks: Buffer[] = [];
    for (const bytes of await makeRoots(folder)) {
      await makeDisk(join(folder, "sample.img"), { root: bytes, data: {} });
      disks.push(await readFile(join(folder, "sample.img")));
    }
    return disks;
  },
  change: (sample, random) =>
    mendGpt(mutateDisk(sample, random, [...gptSpots, ...fatSpots(esp), [root + 1024, 128], [root + 1152, 16_384]])),
  async read(input, folder) {
    const path = await writeInput(input, folder);
    await each(
      () => findProvisionBlock(path),
      () => readProvisionBlock(path),
      async () => {
        const facts = await inspectImage(path);
        await withContents(path, facts.partitions, async ({ readAt }) => {
          for (const { firstByte } of facts.partitions) await readErofs(readAt, firstByte);
        });
      },
      async () => (await openImage(path)).close(),
      () => imageInspect.run({ positionals: [path], values: { licences: true }, rest: [] }, nowhere),
    );
  },
};

const flash: Reader = {
  name: "flash",
  inputs: 12,
  samples: async (folder) => [await makeImage(join(folder, "sample.img"))],
  change: (sample, random) =>
    mendGpt(
      mutateDisk(sample, random, [...gptSpots, ...fatSpots(places.esp), [places.rootA, 4096], [places.data, 4096]]),
    ),
  async read(input, folder) {
    await mapImage(await writeInput(input, folder));
  },
};

const packed: Reader = {
  name: "packed",
  inputs: 20,
  samples: async (folder) => [zstdCompressSync(await makeImage(join(folder, "sample.img")))],
  change: mutateText,
  async read(input, folder) {
    const source = await openImage(await writeInput(input, folder));
    try {
      for await (const piece of source.pieces({ cuts: [] })) piece.release();
    } finally {
      await source.close();
    }
  },
};

const diff: Reader = {
  name: "diff",
  needs: ["mkfs.erofs"],
  inputs: 6,
  samples: image.samples,
  change: image.change,
  async read(input, folder) {
    const positionals = [await writeInput(input, folder), join(folder, "sample.img")];
    await imageDiff.run({ positionals, values: { all: true }, rest: [] }, nowhere);
  },
};

const erofs: Reader = {
  name: "erofs",
  needs: ["mkfs.erofs"],
  inputs: 300,
  samples: makeRoots,
  change: (sample, random) =>
    mutateDisk(sample, random, [
      [1024, 128],
      [1152, sample.length - 1152],
    ]),
  read: (input) => readErofs(readerOf(memoryFile(input)), 0),
};

const fat: Reader = {
  name: "fat",
  inputs: 1500,
  samples: async () =>
    [16, 32].map((bits) => makeFat(bootFiles(rpi("rpi3"), "a", { "hamlet/image.json": "{}" }), bits as 16 | 32)),
  change: (sample, random) =>
    mutateDisk(sample, random, [
      [0, 96],
      [512, 8192],
      [0, sample.length],
    ]),
  async read(input) {
    const readAt = readerOf(memoryFile(input));
    for (const folder of ["", "hamlet", "hamlet/hamlet/hamlet"]) await listFatFolder(readAt, 0, folder);
    for (const path of ["config.txt", "kernel", "hamlet/image.json"]) await readFatFile(readAt, 0, path, 1 << 28);
  },
};

const card: Reader = {
  name: "card",
  inputs: 500,
  samples: async () => {
    const board = rpi("rpi3");
    const autoboot = autobootFiles(board, autobootSector("a"));
    return [makeCard({ autoboot, bootA: bootFiles(board, "a"), bootB: bootFiles(board, "b") }).bytes];
  },
  change: (sample, random) =>
    mutateDisk(sample, random, [
      [440, 72],
      ...[1, 2, 3].map((number): Spot => [(64 + (number - 1) * 512) * 512, 8192]),
    ]),
  read: (input) => planBoot(readerOf(memoryFile(input)), rpi("rpi3"), { tryboot: false }),
};

export const imageReaders: Reader[] = [image, flash, packed, diff, erofs, fat, card];
