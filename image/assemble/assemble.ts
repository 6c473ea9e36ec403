// Assembles a system bundle into a disk image: partition table, the firmware's FAT partitions, slot a, an empty slot b and the
// data partition. The bytes depend on the bundle alone, not on time, machine or user.
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, open, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { freshReport, reportPath } from "../../provisioning/handover/report.ts";
import type { Run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import type { Progress } from "../../system/progress.ts";
import { boardNamed, layoutOf, provisionBlockBytes } from "../boards.ts";
import type { Bundle } from "../bundle/bundle.ts";
import { removeLeftovers } from "../bundle/cache.ts";
import { guidOf, sectorBytes } from "../disk/gpt.ts";
import { copyWithHoles } from "../disk/holes.ts";
import { makeDataVolume } from "./data-volume.ts";
import { type FatFile, makeFatVolume } from "./fat-volume.ts";
import { firmwareFiles } from "./firmware-files.ts";
import { type ImageJson, imageJsonPath, provisionPath } from "./image-json.ts";
import { type Placed, type Placement, placePartitions, tableWrites } from "./placement.ts";

const dataUuid = "68616d6c-6574-4000-8000-000064617461";

export const imageName = (board: string, version: string): string => `hamlet-${board}-${version}.img`;
/** Where the bill of materials of the image at `path` goes. */
export const sbomBeside = (path: string): string => `${path.replace(/\.img$/, "")}.cdx.json`;

/** Digest of everything that shapes an image's bytes; `code` is the digest of this file and all it imports. */
export const imageInputs = ({ board, inputs }: Pick<Bundle, "board" | "inputs">, code: string): string =>
  createHash("sha256")
    .update(JSON.stringify([inputs, layoutOf(boardNamed(board)), provisionBlockBytes, code]))
    .digest("hex");

/** Writes the image to `output` through a temporary file beside it. */
export async function assembleImage(bundle: Bundle, output: string, run: Run, progress: Progress): Promise<void> {
  const layout = layoutOf(boardNamed(bundle.board));
  const placement = placePartitions(layout);
  await mkdir(dirname(resolve(output)), { recursive: true });
  await removeLeftovers(dirname(resolve(output)), Date.now(), /^\.hamlet-image-[A-Za-z0-9]{6}$/);
  const work = await mkdtemp(join(dirname(resolve(output)), ".hamlet-image-"));
  try {
    const disk = join(work, "disk");
    await writeFile(disk, "");
    await truncate(disk, placement.diskBytes);
    await using file = await open(disk, "r+");
    const placeOf = (label: string) => bytesOf(placement.partitions.find((one) => one.label === label)!);
    const put = async (label: string, source: string, onProgress?: Progress["at"]) => {
      const { offset, sizeBytes } = placeOf(label);
      await refuseTooLarge(source, label, sizeBytes);
      await copyWithHoles(source, file, offset, onProgress);
    };
    progress.stage("writing the image", bundle.files["root.erofs"]?.sizeBytes);
    const ofFirmware = await firmwareFiles(bundle);
    const parts = layout.partitions.map(async ({ label, format }, index) => {
      if (!format) return;
      const files = [...(index === 0 ? hamletFiles(bundle, placement) : []), ...(ofFirmware[label] ?? [])];
      const volumeId = guidOf(`hamlet volume ${index > 0 ? label : ""}${bundle.inputs}`).slice(0, 8);
      const volume = {
        format,
        ...placeOf(label),
        label: volumeLabel(index, label),
        volumeId,
        epochS: bundle.builtS,
        files,
      };
      await makeFatVolume(disk, volume, work, run);
    });
    const makeData = async () => {
      const { sizeBytes } = placeOf("data");
      await makeDataVolume(join(work, "data"), { sizeBytes, uuid: dataUuid, epochS: bundle.builtS }, run);
      await put("data", join(work, "data"));
    };
    await allOf([
      ...parts,
      makeData(),
      put("verity-a", join(bundle.folder, "verity.img")),
      put("root-a", join(bundle.folder, "root.erofs"), progress.at),
    ]);
    for (const { offset, bytes } of tableWrites(layout, placement, bundle.inputs)) {
      await file.write(bytes, 0, bytes.length, offset);
    }
    await file.sync();
    await rename(disk, output);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const bytesOf = ({ firstSector, sectors }: Placed) => ({
  offset: firstSector * sectorBytes,
  sizeBytes: sectors * sectorBytes,
});

/** On the first partition of every layout, because other computers show that one when the card is inserted. */
function hamletFiles(bundle: Bundle, { partitions, diskBytes }: Placement): FatFile[] {
  const about: ImageJson = {
    format: 1,
    board: bundle.board,
    version: bundle.version,
    inputs: bundle.inputs,
    builtS: bundle.builtS,
    rootHash: bundle.verity.rootHash,
    sizeBytes: diskBytes,
    layout: partitions.map(bytesOf),
    parts: bundle.parts,
    ...(bundle.relocked && { relocked: bundle.relocked }),
  };
  return [
    [reportPath, freshReport()],
    [provisionPath, Buffer.alloc(provisionBlockBytes, "\n")],
    [imageJsonPath, `${JSON.stringify(about)}\n`],
  ];
}

/** FAT allows eleven characters, and people see them. */
const volumeLabel = (index: number, label: string) => (index === 0 ? "HAMLET" : label.toUpperCase());

async function refuseTooLarge(source: string, label: string, sizeBytes: number): Promise<void> {
  const found = (await stat(source)).size;
  if (found <= sizeBytes) return;
  throw new HamletError("bundle.invalid", `${label} holds ${sizeBytes} bytes, but its content has ${found}`, {
    hint: "make the bundle smaller, or the partition larger in nix/layout.json",
  });
}

/** Like Promise.all, but waits for every task before it fails. */
async function allOf(tasks: Promise<void>[]): Promise<void> {
  await Promise.allSettled(tasks);
  await Promise.all(tasks);
}
