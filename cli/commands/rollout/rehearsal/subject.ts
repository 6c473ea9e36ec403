// What is to be rehearsed: the boards of the neighborhood, the release that each runs, and the image of that release.
import { statfs } from "node:fs/promises";
import { compareVersions } from "../../../../image/boot/versions.ts";
import { labBoardNames } from "../../../../image/lab/machine/boards.ts";
import type { Manifest } from "../../../../ota/format/manifest.ts";
import { recipeFor } from "../../../../ota/format/manifest.ts";
import { documentsOf, expiryOf } from "../../../../ota/repository/expiry.ts";
import { filesIn } from "../../../../ota/repository/files.ts";
import { readPublished, repositoryFolder } from "../../../../ota/repository/folder.ts";
import { readImage } from "../../../../ota/repository/read-image.ts";
import { readReleases } from "../../../../ota/repository/releases.ts";
import { HamletError } from "../../../../system/error.ts";
import { shellWord } from "../../../../system/shell-word.ts";

/** The published releases of each board, the newest first. */
export type Releases = ReadonlyMap<string, readonly Manifest[]>;
/** `devices`: who runs it, for people. */
export type Wanted = { board: string; from: string; devices: string[] };

/** Throws `ota.notFound`, `ota.damaged`, or `update.expired` where devices would take nothing. */
export async function readRepository(folder: string, now: number): Promise<Releases> {
  const current = await readPublished(folder);
  const expired = [...documentsOf(current)].filter(([role, one]) => expiryOf(role, one, now).state === "expired");
  if (expired.length > 0) {
    const roles = expired.map(([role]) => role).join(", ");
    throw new HamletError("update.expired", `${folder} has expired: ${roles}`, {
      hint: `hamlet ota sign --folder ${shellWord(folder)}`,
    });
  }
  const files = filesIn(repositoryFolder(folder));
  const releases = new Map<string, Manifest[]>();
  for (const [board, document] of current.boards) {
    releases.set(
      board,
      (await readReleases(files, board, document)).map(({ manifest }) => manifest),
    );
  }
  return releases;
}

/** Those that have no devices of an older release are left out. Throws `ota.notFound`, `rehearsal.notNewest` or `update.notNewer`. */
export function chooseSubjects(
  releases: Releases,
  release: string,
  wanted: readonly Wanted[],
  folder: string,
): (Wanted & { manifest: Manifest; old?: Manifest })[] {
  const published = [...releases].filter(([, all]) => all.some(({ version }) => version === release));
  if (published.length === 0) {
    throw new HamletError("ota.notFound", `${folder} has no release ${release}`, {
      hint: `publish it: hamlet ota publish <image> --folder ${shellWord(folder)}; is it signed? hamlet ota status`,
    });
  }
  const forBoards = wanted.filter(({ board }) => published.some(([name]) => name === board));
  if (forBoards.length === 0) {
    throw new HamletError(
      "ota.notFound",
      `${folder} has ${release} for ${published.map(([board]) => board).join(", ")} only`,
      {
        hint: `the neighborhood has ${[...new Set(wanted.map(({ board }) => board))].join(", ")}: publish it for one of them`,
      },
    );
  }
  const older = forBoards.filter(({ from }) => compareVersions(from, release) < 0);
  if (older.length === 0) {
    const runs = [...new Set(forBoards.map(({ from }) => from))].join(", ");
    throw new HamletError("update.notNewer", `${release} is not newer than ${runs}, which the devices run`, {
      hint: "rehearse a newer release, or name an older one with --from",
      exitCode: 3,
    });
  }
  return older.map((one) => {
    const all = releases.get(one.board)!;
    const [manifest, newest] = [all.find(({ version }) => version === release)!, all[0]!];
    if (newest !== manifest) {
      throw new HamletError("rehearsal.notNewest", `${one.board} has ${newest.version} too, which devices would take`, {
        hint: `rehearse that: hamlet rollout rehearse --release ${newest.version}`,
        exitCode: 3,
      });
    }
    const old = all.find(({ version }) => version === one.from);
    return { ...one, manifest, ...(old && { old }) };
  });
}

/** QEMU has a machine of the board. */
export const canEmulate = (board: string): boolean => labBoardNames.includes(board);

export const fetchBytesOf = (manifest: Manifest, old: Manifest | undefined): number => {
  const { fetchBytes } = recipeFor(manifest, old?.verity.rootHash);
  return fetchBytes ?? manifest.parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
};

/**
 * An unused image of the release. Of a published one the root hash must be that of the signed manifest; of others the image's word counts.
 * Throws `rehearsal.noImage`, which says what is wrong with each.
 */
export async function findImage(
  { board, from, old }: { board: string; from: string; old?: Manifest },
  candidates: readonly string[],
): Promise<string> {
  const troubles: string[] = [];
  for (const path of candidates) {
    const trouble = await readImage(path).then(
      (image) => {
        if (image.board !== board || image.version !== from) return `is of ${image.board} ${image.version}`;
        const isSame = old === undefined || image.verity.rootHash === old.verity.rootHash;
        return isSame ? undefined : `is another build of ${from} than the published one`;
      },
      (error: unknown) => {
        if (error instanceof HamletError) return error.message;
        return (error as NodeJS.ErrnoException).code === "ENOENT" ? "does not exist" : String(error);
      },
    );
    if (trouble === undefined) return path;
    troubles.push(trouble.includes(path) ? trouble : `${path} ${trouble}`);
  }
  throw new HamletError("rehearsal.noImage", `there is no image of ${board} ${from}: ${troubles.join("; ")}`, {
    hint: "name the file from which the devices were made: --image <file>",
  });
}

/** On each disk: the other slot twice, in two places and in a log of every write, and what a system writes by itself. */
export const neededBytes = (devices: number, { parts }: Pick<Manifest, "parts">): number =>
  devices * (4 * parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) + 2 ** 30);

/** Throws `file.full`. */
export async function requireRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= bytes) return;
  const megabytes = (count: number) => `${Math.ceil(count / 1e6)} MB`;
  throw new HamletError(
    "file.full",
    `${folder} has ${megabytes(bavail * bsize)} free, a rehearsal may need ${megabytes(bytes)}`,
    {
      hint: "free some space, or rehearse with fewer devices: --devices 2",
    },
  );
}
