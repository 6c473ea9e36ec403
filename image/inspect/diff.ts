// Compares two images: packages, files, blocks.

import { createHash } from "node:crypto";
import type { Progress } from "../../system/progress.ts";
import type { Component } from "../bundle/sbom/sbom.ts";
import { type ErofsEntry, walkErofs } from "../disk/erofs.ts";
import type { ReadAt } from "../disk/read-at.ts";
import { type Contents, withContents } from "./contents.ts";
import { type BlockChange, diffBlocks, type UpdateSize, updateSize } from "./diff-blocks.ts";
import { type ImageFacts, inspectImage } from "./inspect.ts";

/** A side is missing if the package or file was added or removed. */
type PackageChange = { name: string; kind: "deb" | "nix" | "npm" | "other"; before?: string; after?: string };
export type FileChange = { path: string; beforeBytes?: number; afterBytes?: number };
export type ImageDifference = {
  before: Pick<ImageFacts, "board" | "version">;
  after: Pick<ImageFacts, "board" | "version">;
  isSame: boolean;
  /** Missing if one of the images has no bill of materials. */
  packages?: PackageChange[];
  files: FileChange[];
  /** Compressed files of equal size, whose content was not compared. */
  uncompared: number;
  partitions: BlockChange[];
  update: UpdateSize;
};

export async function diffImages(before: string, after: string, progress: Progress): Promise<ImageDifference> {
  const [old, now] = [await inspectImage(before), await inspectImage(after)];
  return withContents(before, old.partitions, (a) =>
    withContents(after, now.partitions, async (b): Promise<ImageDifference> => {
      progress.stage("comparing blocks");
      const partitions = await diffBlocks(a.readAt, old.partitions, b.readAt, now.partitions);
      progress.stage("comparing files");
      const { files, uncompared } = await diffFiles(await filesOf(a), await filesOf(b));
      progress.stage("measuring the update");
      const update = await updateSize(a.readAt, old.partitions, b.readAt, now.partitions);
      const packages = a.sbom && b.sbom && diffPackages(a.sbom.components, b.sbom.components);
      return {
        before: sideOf(old),
        after: sideOf(now),
        isSame: partitions.every(({ changedBlocks }) => changedBlocks === 0) && old.sizeBytes === now.sizeBytes,
        ...(packages && { packages }),
        files,
        uncompared,
        partitions,
        update,
      };
    }),
  );
}

const sideOf = ({ board, version }: ImageFacts) => ({ board, version });

/** By kind and name; several versions of one package are listed together. */
export function diffPackages(before: Component[], after: Component[]): PackageChange[] {
  const group = (components: Component[]) => {
    const versions = new Map<string, string[]>();
    for (const { name, version, purl, type } of components) {
      const kind = /^pkg:(deb|nix|npm)\//.exec(purl ?? "")?.[1] ?? "other";
      // Our own programs have the image's version; their bytes are compared as files.
      if (kind === "other" && type === "application") continue;
      const key = `${kind} ${name}`;
      versions.set(key, [...(versions.get(key) ?? []), version].sort());
    }
    return versions;
  };
  const [old, now] = [group(before), group(after)];
  return [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((key) => {
    const [was, is] = [old.get(key)?.join(", "), now.get(key)?.join(", ")];
    if (was === is) return [];
    const [kind = "", name = ""] = key.split(/ (.*)/s);
    const change = { name, kind: kind as PackageChange["kind"] };
    return [{ ...change, ...(was !== undefined && { before: was }), ...(is !== undefined && { after: is }) }];
  });
}

/** Compares at most twice `sizeBytes`, the filesystem's size: many files may share the same blocks. */
type Files = { readAt: ReadAt; entries: Map<string, ErofsEntry>; sizeBytes: number };

async function filesOf({ readAt, root }: Contents): Promise<Files> {
  const entries = new Map<string, ErofsEntry>();
  for await (const entry of root ? walkErofs(readAt, root) : []) entries.set(entry.path, entry);
  return { readAt, entries, sizeBytes: root?.sizeBytes ?? 0 };
}

async function diffFiles(before: Files, after: Files): Promise<Pick<ImageDifference, "files" | "uncompared">> {
  const files: FileChange[] = [];
  let uncompared = 0;
  let leftBytes = 2 * (before.sizeBytes + after.sizeBytes);
  for (const path of [...new Set([...before.entries.keys(), ...after.entries.keys()])].sort()) {
    const [old, now] = [before.entries.get(path), after.entries.get(path)];
    const change = { path, ...(old && { beforeBytes: old.sizeBytes }), ...(now && { afterBytes: now.sizeBytes }) };
    if (!old || !now || hasOtherFacts(old, now)) files.push(change);
    else if (old.kind === "folder" || old.kind === "other") continue;
    else if (!old.extents || !now.extents || leftBytes < old.sizeBytes) uncompared += 1;
    else {
      leftBytes -= old.sizeBytes;
      if ((await digestOf(before.readAt, old)) !== (await digestOf(after.readAt, now))) files.push(change);
    }
  }
  return { files, uncompared };
}

/** Ignores the size of folders: it depends only on how names are stored. */
const hasOtherFacts = (old: ErofsEntry, now: ErofsEntry): boolean =>
  (["kind", "mode", "uid", "gid"] as const).some((fact) => old[fact] !== now[fact]) ||
  (old.kind !== "folder" && old.sizeBytes !== now.sizeBytes);

const chunkBytes = 1 << 20;

async function digestOf(readAt: ReadAt, { extents = [] }: ErofsEntry): Promise<string> {
  const hash = createHash("sha256");
  for (const { offset, length } of extents) {
    for (let at = 0; at < length; at += chunkBytes) {
      hash.update(await readAt(offset + at, Math.min(chunkBytes, length - at)));
    }
  }
  return hash.digest("hex");
}
