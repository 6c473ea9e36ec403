// A system bundle becomes a disk image: partition table, firmware's FAT partitions, slot a, an empty slot b, and the data
// partition. Nothing in it depends on the time, the machine or the user: same bundle, same bytes.
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, open, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { freshReport, reportPath } from "../provisioning/report.ts";
import type { Run } from "../system/command.ts";
import { HamletError } from "../system/error.ts";
import type { Progress } from "../system/progress.ts";
import { boardNamed, layoutOf, provisionBlockBytes } from "./boards.ts";
import type { Bundle } from "./bundle/bundle.ts";
import { removeLeftovers } from "./bundle/leftovers.ts";
import { makeDataVolume } from "./data-volume.ts";
import { type FatFile, makeFatVolume } from "./fat-volume.ts";
import { firmwareFiles } from "./firmware-files.ts";
import { guidOf, sectorBytes } from "./gpt.ts";
import { type ImageJson, imageJsonPath, provisionPath } from "./image-json.ts";
import { placePartitions, tableWrites } from "./placement.ts";

const mib = 1 << 20;
const dataUuid = "68616d6c-6574-4000-8000-000064617461";

export const imageName = (board: string, version: string): string => `hamlet-${board}-${version}.img`;
/** Where the bill of materials of the image at `path` goes. */
export const sbomBeside = (path: string): string => `${path.replace(/\.img$/, "")}.cdx.json`;

/** Writes the image to `output` through a temporary file beside it. */
export async function assembleImage(bundle: Bundle, output: string, run: Run, progress: Progress): Promise<void> {
  const layout = layoutOf(boardNamed(bundle.board));
  const placement = placePartitions(layout);
  await mkdir(dirname(resolve(output)), { recursive: true });
  await removeLeftovers(dirname(resolve(output)), /^\.hamlet-image-[A-Za-z0-9]{6}$/, Date.now());
  const work = await mkdtemp(join(dirname(resolve(output)), ".hamlet-image-"));
  try {
    const disk = join(work, "disk");
    await writeFile(disk, "");
    await truncate(disk, placement.diskBytes);
    const sizeOf = (label: string) => layout.partitions.find((one) => one.label === label)!.sizeMiB * mib;
    const put = async (label: string, source: string, shown?: Progress) => {
      const place = placement.partitions.find((one) => one.label === label)!;
      await refuseTooLarge(source, label, sizeOf(label));
      await copyInto(source, disk, place.firstSector * sectorBytes, shown);
    };
    progress.stage("making the boot partitions");
    const ofFirmware = await firmwareFiles(bundle);
    for (const [index, { label, format }] of layout.partitions.entries()) {
      if (!format) continue;
      const files = [...(index === 0 ? hamletFiles(bundle, placement.diskBytes) : []), ...(ofFirmware[label] ?? [])];
      const volumeId = guidOf(`hamlet volume ${index > 0 ? label : ""}${bundle.inputs}`).slice(0, 8);
      const volume = { format, sizeBytes: sizeOf(label), label: volumeLabel(index, label), volumeId, files };
      await makeFatVolume(join(work, label), { ...volume, epochS: bundle.builtS }, work, run);
      await put(label, join(work, label));
      await rm(join(work, label));
    }
    const data = { sizeBytes: sizeOf("data"), uuid: dataUuid, epochS: bundle.builtS };
    await makeDataVolume(join(work, "data"), data, run);
    await put("data", join(work, "data"));
    progress.stage("writing the image", bundle.files["root.erofs"]?.sizeBytes);
    await put("verity-a", join(bundle.folder, "verity.img"));
    await put("root-a", join(bundle.folder, "root.erofs"), progress);
    await using file = await open(disk, "r+");
    for (const { offset, bytes } of tableWrites(layout, placement, bundle.inputs)) {
      await file.write(bytes, 0, bytes.length, offset);
    }
    await file.sync();
    await rename(disk, output);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** On the first partition of every layout: it is the one that other computers show when the card is put into them. */
function hamletFiles(bundle: Bundle, diskBytes: number): FatFile[] {
  const about: ImageJson = {
    format: 1,
    board: bundle.board,
    version: bundle.version,
    inputs: bundle.inputs,
    builtS: bundle.builtS,
    rootHash: bundle.verity.rootHash,
    sizeBytes: diskBytes,
    parts: bundle.parts,
    ...(bundle.relocked && { relocked: bundle.relocked }),
  };
  return [
    [reportPath, freshReport()],
    [provisionPath, Buffer.alloc(provisionBlockBytes, "\n")],
    [imageJsonPath, `${JSON.stringify(about)}\n`],
  ];
}

/** FAT has eleven letters, and people see them. */
const volumeLabel = (index: number, label: string) => (index === 0 ? "HAMLET" : label.toUpperCase());

async function refuseTooLarge(source: string, label: string, sizeBytes: number): Promise<void> {
  const found = (await stat(source)).size;
  if (found <= sizeBytes) return;
  throw new HamletError("bundle.invalid", `${found} bytes are too many for ${label}, which has ${sizeBytes}`, {
    hint: "leave something out of the bundle; layouts are in nix/layout.json",
  });
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
