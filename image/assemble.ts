// A system bundle becomes a disk image: partition table, EFI partition with loader and kernel, slot a, an empty slot b,
// and the data partition. Nothing in it depends on the time, the machine or the user: same bundle, same bytes.
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, open, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Run } from "../system/command.ts";
import { HamletError } from "../system/error.ts";
import type { Progress } from "../system/progress.ts";
import { boardNamed, type Layout, layoutOf, provisionBlockBytes, removableLoader, type UefiBoard } from "./boards.ts";
import type { Bundle } from "./bundle/bundle.ts";
import { removeLeftovers } from "./bundle/leftovers.ts";
import { espType, guidOf, headSectors, linuxType, type Partition, sectorBytes, tailSectors, writeGpt } from "./gpt.ts";
import { type ImageJson, imageJsonPath, provisionPath } from "./image-json.ts";
import { appendSections } from "./uki.ts";

const mib = 1 << 20;
/** Partitions begin on a MiB: what SD cards and SSDs erase at once is no larger. */
const alignBytes = mib;
const dataUuid = "68616d6c-6574-4000-8000-000064617461";

/** Writes the image to `output` through a temporary file beside it. */
export async function assembleImage(bundle: Bundle, output: string, run: Run, progress: Progress): Promise<void> {
  const board = boardNamed(bundle.board);
  const layout = layoutOf(board);
  const { partitions, diskBytes } = placePartitions(layout, bundle.inputs);
  await mkdir(dirname(resolve(output)), { recursive: true });
  await removeLeftovers(dirname(resolve(output)), /^\.hamlet-image-[A-Za-z0-9]{6}$/, Date.now());
  const work = await mkdtemp(join(dirname(resolve(output)), ".hamlet-image-"));
  try {
    const disk = join(work, "disk");
    await writeFile(disk, "");
    await truncate(disk, diskBytes);
    progress.stage("making the EFI partition");
    const esp = join(work, "esp");
    await makeEsp(bundle, removableLoader(board as UefiBoard), layout, diskBytes, esp, work, run);
    const data = join(work, "data");
    await makeData(bundle, sizeOf(layout, "data"), data, run);
    progress.stage("writing the image", bundle.files["root.erofs"]?.sizeBytes);
    const at = (label: string) => partitions.find((one) => one.label === label)!.firstSector * sectorBytes;
    await copyInto(esp, disk, at("esp"));
    await copyInto(join(bundle.folder, "root.erofs"), disk, at("root-a"), progress);
    await copyInto(join(bundle.folder, "verity.img"), disk, at("verity-a"));
    await copyInto(data, disk, at("data"));
    const diskSectors = diskBytes / sectorBytes;
    const gpt = writeGpt(diskSectors, guidOf(`hamlet disk ${bundle.inputs}`), partitions);
    const file = await open(disk, "r+");
    try {
      await file.write(gpt.head, 0, gpt.head.length, 0);
      await file.write(gpt.tail, 0, gpt.tail.length, diskBytes - gpt.tail.length);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(disk, output);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Partitions one behind the other; their GUIDs follow from what is in the image. */
export function placePartitions(layout: Layout, inputs: string): { partitions: Partition[]; diskBytes: number } {
  let next = Math.ceil((headSectors * sectorBytes) / alignBytes) * alignBytes;
  const partitions = layout.partitions.map(({ label, sizeMiB }) => {
    const firstSector = next / sectorBytes;
    next += sizeMiB * mib;
    const type = label === "esp" ? espType : linuxType;
    return {
      label,
      type,
      guid: guidOf(`hamlet ${label} ${inputs}`),
      firstSector,
      sectors: (sizeMiB * mib) / sectorBytes,
    };
  });
  return { partitions, diskBytes: Math.ceil((next + tailSectors * sectorBytes) / alignBytes) * alignBytes };
}

function sizeOf(layout: Layout, label: string): number {
  const found = layout.partitions.find((one) => one.label === label);
  if (!found) throw new HamletError("bundle.invalid", `the layout has no partition ${label}`);
  return found.sizeMiB * mib;
}

export const imageName = (board: string, version: string): string => `hamlet-${board}-${version}.img`;
/** systemd-boot's own pattern for a kernel and its version; no counter: the first flash is always good. */
export const loaderEntry = (version: string): string => `EFI/Linux/hamlet_${version}.efi`;

export async function makeUki(bundle: Bundle, slot: "a" | "b"): Promise<Buffer> {
  const read = (name: string) => readFile(join(bundle.folder, name));
  const cmdline = `${(await read("cmdline")).toString("utf8").trim()} hamlet.slot=${slot}`;
  return appendSections(await read("stub.efi"), [
    { name: ".osrel", content: await read("os-release") },
    { name: ".cmdline", content: Buffer.from(`${cmdline}\0`) },
    { name: ".linux", content: await read("kernel") },
    { name: ".initrd", content: await read("initrd") },
  ]);
}

async function makeEsp(
  bundle: Bundle,
  loader: string,
  layout: Layout,
  diskBytes: number,
  esp: string,
  work: string,
  run: Run,
): Promise<void> {
  const about: ImageJson = {
    format: 1,
    board: bundle.board,
    version: bundle.version,
    inputs: bundle.inputs,
    builtS: bundle.builtS,
    rootHash: bundle.verity.rootHash,
    sizeBytes: diskBytes,
    parts: bundle.parts,
  };
  // In this order on an empty filesystem every file lies in one piece.
  const files: [path: string, content: Buffer | string][] = [
    [provisionPath, Buffer.alloc(provisionBlockBytes, "\n")],
    [imageJsonPath, `${JSON.stringify(about)}\n`],
    ["loader/loader.conf", "timeout 0\neditor no\n"],
    [loader, await readFile(join(bundle.folder, "loader.efi"))],
    [loaderEntry(bundle.version), await makeUki(bundle, "a")],
  ];
  await writeFile(esp, "");
  await truncate(esp, sizeOf(layout, "esp"));
  // mtools and mkfs.vfat take every date from here.
  const env = { SOURCE_DATE_EPOCH: String(bundle.builtS), TZ: "UTC", MTOOLS_SKIP_CHECK: "1" };
  // 2 KiB clusters: FAT32 needs more than 65,525 of them.
  const volumeId = guidOf(`hamlet volume ${bundle.inputs}`).slice(0, 8);
  await run(["/sbin/mkfs.vfat", "--invariant", "-F32", "-s4", "-n", "HAMLET", "-i", volumeId, esp], { env });
  const folders = new Set(
    files.flatMap(([path]) => {
      const words = path.split("/").slice(0, -1);
      return words.map((_, index) => words.slice(0, index + 1).join("/"));
    }),
  );
  await run(["mmd", "-i", esp, ...[...folders].map((name) => `::${name}`)], { env });
  for (const [index, [path, content]] of files.entries()) {
    const source = join(work, `esp-${index}`);
    await writeFile(source, content);
    await run(["mcopy", "-i", esp, source, `::${path}`], { env, timeoutMs: 60_000 });
  }
}

const mke2fsConf = `[defaults]
	base_features = none
[fs_types]
	ext4 = {
		features = has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum
	}
	small = {
		inode_ratio = 16384
	}
`;

/** Small in the image; a device gives it the rest of its disk on first boot. */
async function makeData(bundle: Bundle, sizeBytes: number, path: string, run: Run): Promise<void> {
  await writeFile(path, "");
  await truncate(path, sizeBytes);
  const argv = [
    "/sbin/mke2fs",
    "-q",
    ...["-t", "ext4", "-b", "4096", "-I", "256", "-i", "16384", "-m", "1", "-J", "size=8", "-L", "hamlet-data"],
    ...["-U", dataUuid],
    // Room in the group descriptors to grow to 2 TiB while mounted.
    ...["-E", `hash_seed=${dataUuid},resize=536870912,lazy_itable_init=1,root_owner=0:0`],
    path,
  ] as const;
  // The machine's own mke2fs.conf must not decide what is in the image.
  const config = `${path}.conf`;
  await writeFile(config, mke2fsConf);
  const date = String(bundle.builtS);
  const env = { MKE2FS_CONFIG: config, E2FSPROGS_FAKE_TIME: date, SOURCE_DATE_EPOCH: date };
  await run(argv, { env, timeoutMs: 60_000 });
}

/** Copies `source` to `offset` of `target`; what is zero stays a hole. */
async function copyInto(source: string, target: string, offset: number, progress?: Progress): Promise<void> {
  const file = await open(target, "r+");
  try {
    let at = 0;
    for await (const chunk of createReadStream(source, { highWaterMark: mib })) {
      const bytes = chunk as Buffer;
      if (!isZero(bytes)) await file.write(bytes, 0, bytes.length, offset + at);
      at += bytes.length;
      progress?.at(at);
    }
  } finally {
    await file.close();
  }
}

const zeros = Buffer.alloc(mib);
const isZero = (bytes: Buffer) => bytes.equals(bytes.length === mib ? zeros : zeros.subarray(0, bytes.length));
