// Compresses an image for download as `.img.xz`, the one format that every version of Raspberry Pi Imager, bmaptool and
// `hamlet flash` accept. Unpacks it again as a check: with a wrong hash in the list, every card would fail.
import { hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat, symlink } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { basename, join, resolve } from "node:path";
import type { Run } from "../../system/command.ts";
import { type Digest, digestFile, digestOf } from "../../system/digest.ts";
import { describeError, HamletError } from "../../system/error.ts";
import { syncPath } from "../../system/files.ts";
import type { Progress } from "../../system/progress.ts";
import { sbomBeside } from "../assemble/assemble.ts";
import { mapImage } from "../assemble/map.ts";
import { bmapText } from "../disk/bmap.ts";
import { unpack } from "../flash/unpack.ts";

/** Packs `image`, whose digest is `wanted`, as `name` into the folder `work` and returns the path. Throws `image.changed` or `file.full`. */
export async function packImage(
  image: string,
  name: string,
  wanted: Digest,
  work: string,
  { run, signal, progress }: { run: Run; signal: AbortSignal; progress: Progress },
) {
  const link = join(work, name);
  await symlink(resolve(image), link);
  // A fixed block size gives the same bytes on every machine with this xz, whatever its number of cores (xz(1), --threads).
  const threads = availableParallelism() > 1 ? String(availableParallelism()) : "+1";
  progress.stage(`compressing ${basename(image)}`);
  await run(["xz", "--force", "--keep", "--quiet", "-6", "--block-size=24MiB", `--threads=${threads}`, link], {
    timeoutMs: 3_600_000,
    signal,
  }).catch((cause: unknown) => {
    if (!/No space left/i.test(describeError(cause))) throw cause;
    throw new HamletError("file.full", `no space left to compress ${image}`, {
      hint: "free space on this disk, or name another with -o; earlier published files are intact",
      cause,
    });
  });
  const path = `${link}.xz`;
  progress.stage(`unpacking ${basename(path)} to check it`, wanted.sizeBytes);
  const stream = unpack(createReadStream(path, { highWaterMark: 1 << 20 }), path);
  const unpacked = await digestOf(stream, { signal, onBytes: (bytes) => progress.at(bytes) });
  if (unpacked.sha256 !== wanted.sha256) {
    throw new HamletError("image.changed", `${image} changed while it was being published`, {
      hint: "publish it again when nothing writes to it; earlier published files are intact",
    });
  }
  await syncPath(path);
  return { path, ...(await digestFile(path, { signal })) };
}

/** Makes a new map: the one beside the image may belong to an earlier image of the same size. */
export async function mapOf(image: string, name: string, progress: Progress) {
  progress.stage(`mapping ${basename(image)}`);
  const content = bmapText(await mapImage(image));
  return { name: `${name}.bmap`, content, sha256: hash("sha256", content, "hex") };
}

/** The bill of materials beside the image, if there is one. */
export async function sbomOf(image: string, name: string) {
  const path = sbomBeside(image);
  if (path === image || !(await stat(path).catch(() => undefined))) return undefined;
  const content = await readFile(path);
  return { name: sbomBeside(name), content, sha256: hash("sha256", content, "hex") };
}
