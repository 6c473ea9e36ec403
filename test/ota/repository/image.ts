// A real image of a few megabytes, assembled from a bundle with a small root filesystem: `hamlet image build` without Debian.
import { execFileSync } from "node:child_process";
import { hash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { assembleImage } from "../../../image/assemble/assemble.ts";
import { boardNamed } from "../../../image/boards.ts";
import type { Bundle } from "../../../image/bundle/bundle.ts";
import constants from "../../../nix/constants.json" with { type: "json" };
import { run } from "../../../system/command.ts";
import { digestFile } from "../../../system/digest.ts";
import { silentProgress } from "../../../system/progress.ts";
import { makeStub } from "../../image/assemble/stub.ts";
import { lacks } from "../../lacks.ts";

export const lacksImages = () => lacks("mkfs.erofs", "mkfs.vfat", "mke2fs", "mcopy", "veritysetup");

/** Bytes that look random and are the same everywhere. */
export function noise(sizeBytes: number, seed: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  let state = seed >>> 0;
  for (let at = 0; at < sizeBytes; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes.writeUInt32LE((state ^ (state >>> 15)) >>> 0, at);
  }
  return bytes;
}

export type ImageOptions = {
  board?: string;
  version: string;
  /** The root metadata that it trusts. */
  releaseRoot?: Buffer;
  /** More files of the root filesystem. */
  files?: Record<string, Buffer | string>;
  kernel?: Buffer;
  /** What it says of itself in its root filesystem, instead of the truth. */
  release?: object;
  /** What its kernel names, instead of the truth. */
  rootHash?: string;
  /** At the end of its command line. */
  words?: string;
};

/** Makes the image in `folder` and returns its path. */
export async function makeReleaseImage(folder: string, options: ImageOptions): Promise<string> {
  const { board: name = "nuc", version, releaseRoot, files = {}, kernel = noise(200_000, 3), release } = options;
  const board = boardNamed(name);
  const builtS = 1_700_000_000;
  const work = join(folder, `bundle-${name}-${version}`);
  const put = async (path: string, content: Buffer | string) => {
    await mkdir(dirname(join(work, path)), { recursive: true });
    await writeFile(join(work, path), content);
  };
  await put("tree/usr/lib/hamlet/release.json", JSON.stringify(release ?? { board: name, version, builtS }));
  if (releaseRoot) await put("tree/usr/lib/hamlet/release-root.json", releaseRoot);
  for (const [path, content] of Object.entries({ "usr/lib/common": noise(2_000_000, 1), ...files })) {
    await put(`tree/${path}`, content);
  }
  const at = (path: string) => join(work, path);
  const uuid = "11111111-1111-4111-8111-111111111111";
  const erofs = ["--quiet", "-Enoinline_data", "-T1", "--all-root", `-U${uuid}`, at("root.erofs"), at("tree")];
  execFileSync("mkfs.erofs", erofs, { stdio: "ignore" });
  const verityOptions = [`--salt=${constants.veritySalt}`, `--uuid=${constants.verityUuid}`];
  const format = ["format", ...verityOptions, at("root.erofs"), at("verity.img")];
  const told = execFileSync("/sbin/veritysetup", format).toString();
  const found = /Root hash:\s+([0-9a-f]{64})/.exec(told)![1]!;
  const rootHash = options.rootHash ?? found;
  const dataBlocks = Number(/Data blocks:\s+(\d+)/.exec(told)![1]);
  await put("kernel", kernel);
  await put("initrd", noise(50_000, 4));
  await put("cmdline", `quiet hamlet.verity=${rootHash} hamlet.blocks=${dataBlocks}${options.words ?? ""}`);
  await put("os-release", `ID=hamlet\nVERSION_ID=${version}\n`);
  if (board.layout === "uefi") {
    await put("stub.efi", makeStub());
    await put("loader.efi", "a boot loader");
  } else {
    await put("config.txt", "arm_64bit=1\n");
    await put("boot/start4.elf", noise(30_000, 5));
  }
  const names = ["root.erofs", "verity.img", "kernel", "initrd", "cmdline", "os-release"];
  const facts = await Promise.all(names.map(async (one) => [one, await digestFile(at(one))] as const));
  const bundle: Bundle = {
    format: 2,
    board: name,
    version,
    inputs: hash("sha256", await readFile(at("root.erofs"))),
    builtS,
    verity: { rootHash, dataBlocks },
    parts: {},
    files: Object.fromEntries(facts),
    folder: work,
  };
  const path = join(folder, `hamlet-${name}-${version}.img`);
  await assembleImage(bundle, path, run, silentProgress);
  return path;
}
