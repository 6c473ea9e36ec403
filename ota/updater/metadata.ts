// Finds the newest release in a repository's TUF metadata. tuf-js verifies; this wrapper hands it the files, refuses what it lets pass,
// sets its clock, and keeps nothing unless all of it is verified.
import { hash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Metadata, MetadataKind, type Root } from "@tufjs/models";
import { type Fetcher, Updater } from "tuf-js";
import { DownloadHTTPError } from "tuf-js/dist/error.js";
import type { TrustedMetadataStore } from "tuf-js/dist/store.js";
import { describeError, HamletError } from "../../system/error.ts";
import { maxManifestBytes } from "../format/limits.ts";
import { type Manifest, parseManifest } from "../format/manifest.ts";
import { metadataFolder, newestName, targetsFolder } from "../format/names.ts";
import type { AgentDoor } from "./agent-door.ts";
import { checkFloors, keysDigest, type RoleFloors } from "./floors.ts";
import { checkMetadata } from "./metadata-rules.ts";

/** Verified metadata by file name. */
export type MetadataFiles = Record<string, string>;

export type Question = {
  board: string;
  /** TUF's name of the release's manifest; by default that of the board's newest one. */
  target?: string | undefined;
  door: Pick<AgentDoor, "file">;
  /** What the last check verified. */
  kept: MetadataFiles | undefined;
  /** The root that the device was given. */
  firstRoot: Buffer;
  floors: RoleFloors;
  /** The time against which expiry is judged. */
  nowMs: number;
  /** A folder in memory. */
  workIn: string;
};
export type Answer = { manifest: Manifest; sha256: string; files: MetadataFiles; roles: RoleFloors };

/** Beside the metadata, so that a check that finds nothing new fetches no manifest. No file of TUF's has such a name. */
const keptManifest = "manifest";
/** Any host: the agent knows the repository's URL. */
const base = "http://repository";
/** Far more than thirty boards and a hundred releases need, and little memory. */
const limits = {
  rootMaxLength: 64 << 10,
  timestampMaxLength: 8 << 10,
  snapshotMaxLength: 64 << 10,
  targetsMaxLength: 512 << 10,
  maxDelegations: 4,
  maxRootRotations: 256,
};
const maxFileBytes = limits.targetsMaxLength;

/** Throws `update.badMetadata`, `update.badManifest`, `update.expired`, `update.notThere`, `update.wrongBoard`, and what the door throws. */
export async function findNewest(question: Question): Promise<Answer> {
  const work = await mkdtemp(join(question.workIn, "hamlet-metadata-"));
  try {
    return await findIn(work, question);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function findIn(work: string, question: Question): Promise<Answer> {
  const { board, door, kept, firstRoot, floors, nowMs } = question;
  const fetcher = fetcherOf(door);
  const name = question.target ?? newestName(board);
  try {
    const updater = await openUpdater(work, kept, firstRoot, fetcher);
    const trusted: TrustedMetadataStore = updater["trustedSet"];
    // The library takes this computer's time, which a device without a battery does not know.
    (trusted as unknown as { referenceTime: Date }).referenceTime = new Date(nowMs);
    await updater.refresh();
    const target = await updater.getTargetInfo(name);
    if (!target) throw new HamletError("update.notThere", `the repository has no release for the board ${board}`);
    const roles = rolesOf(trusted, rootKeysOf(firstRoot));
    checkFloors(floors, roles);
    const { sha256 = "" } = target.hashes;
    const last = Buffer.from(kept?.[keptManifest] ?? "");
    const bytes = hash("sha256", last) === sha256 ? last : await fetchTarget(door, name, target.length, sha256);
    const manifest = parseManifest(bytes);
    if (manifest.board !== board) {
      throw new HamletError("update.wrongBoard", `the release is for ${manifest.board}, this device is a ${board}`, {
        hint: `publish one with --board ${board}`,
        exitCode: 3,
      });
    }
    checkBuilt(manifest, trusted.timestamp!.signed.expires);
    const files = { ...(await filesIn(work)), [keptManifest]: bytes.toString("utf8") };
    return { manifest, sha256, files, roles };
  } catch (error) {
    if (error instanceof HamletError) throw error;
    // The library hides some errors of the fetcher in a text.
    throw fetcher.failure() ?? refusal(error);
  }
}

/** Its date becomes the earliest time that the device believes: one of the far future would make all later metadata look expired. */
function checkBuilt({ version, builtS }: Manifest, expires: string): void {
  if (builtS * 1000 <= Date.parse(expires)) return;
  const built = new Date(builtS * 1000).toISOString().slice(0, 10);
  throw new HamletError("update.badManifest", `release ${version} is of ${built}, after its metadata expires`, {
    hint: "the publisher has to build it on a computer with the right time",
  });
}

function refusal(error: unknown): HamletError {
  const why = describeError(error);
  if (/is expired/.test(why)) {
    return new HamletError("update.expired", `the repository's metadata has expired: ${why}`, {
      cause: error,
      hint: "the publisher runs `hamlet ota sign`",
    });
  }
  return new HamletError("update.badMetadata", `the repository's metadata is refused: ${why}`, { cause: error });
}

/** From what was kept, or from the first root if that does not verify. */
async function openUpdater(
  work: string,
  kept: MetadataFiles | undefined,
  firstRoot: Buffer,
  fetcher: Fetcher,
): Promise<Updater> {
  const options = { metadataDir: work, metadataBaseUrl: `${base}/${metadataFolder}`, fetcher, config: limits };
  if (kept) {
    try {
      for (const [name, text] of Object.entries(kept)) {
        if (!/^[a-z0-9-]{1,40}\.json$/.test(name)) continue;
        checkMetadata(name, Buffer.from(text));
        await writeFile(join(work, name), text);
      }
      return new Updater(options);
    } catch {
      for (const name of await readdir(work)) await rm(join(work, name));
    }
  }
  checkMetadata("the first release root", firstRoot);
  await writeFile(join(work, "root.json"), firstRoot);
  return new Updater(options);
}

function fetcherOf({ file }: Pick<AgentDoor, "file">): Fetcher & { failure(): unknown } {
  let failure: unknown;
  return {
    failure: () => failure,
    async downloadBytes(url, maxLength) {
      const path = new URL(url).pathname.slice(1);
      // The library takes each length from a file that it has verified, but one of no length or of gigabytes too.
      const maxBytes = Math.max(1, Math.min(maxLength, maxFileBytes));
      try {
        const bytes = await file(path, maxBytes);
        checkMetadata(path, bytes);
        return bytes;
      } catch (error) {
        const isNextRoot = /\/\d+\.root\.json$/.test(path);
        if (isNextRoot && error instanceof HamletError && error.code === "update.notThere") {
          throw new DownloadHTTPError("there is no newer root", 404);
        }
        failure = error;
        throw error;
      }
    },
    downloadFile() {
      throw new Error("the updater fetches targets itself");
    },
  };
}

async function fetchTarget(
  { file }: Pick<AgentDoor, "file">,
  name: string,
  length: number,
  sha256: string,
): Promise<Buffer> {
  if (length > maxManifestBytes) throw new HamletError("update.badManifest", `the manifest has ${length} bytes`);
  const [board, base] = name.split("/");
  const bytes = await file(`${targetsFolder}/${board}/${sha256}.${base}`, Math.max(1, length));
  if (bytes.length === length && hash("sha256", bytes, "hex") === sha256) return bytes;
  throw new HamletError("update.badObject", "the manifest does not have the digest that the metadata names");
}

/** Whether the keys of one root have signed the other, which is not older. */
export function follows(root: Buffer, other: string | undefined): boolean {
  try {
    const [first, second] = [root.toString("utf8"), other ?? ""].map((text) =>
      Metadata.fromJSON(MetadataKind.Root, JSON.parse(text)),
    ) as [Metadata<Root>, Metadata<Root>];
    first.verifyDelegate(MetadataKind.Root, second);
    return second.signed.version >= first.signed.version;
  } catch {
    return false;
  }
}

/** The keys that signed the first root. */
function rootKeysOf(firstRoot: Buffer): string {
  const { keys, roles } = Metadata.fromJSON(MetadataKind.Root, JSON.parse(firstRoot.toString("utf8"))).signed;
  return keysDigest(roles["root"]!.keyIDs.flatMap((id) => keys[id]?.keyVal["public"] ?? []));
}

/** Versions of all roles in use, with what identifies their keys. */
function rolesOf(trusted: TrustedMetadataStore, firstKeys: string): RoleFloors {
  const root = trusted.root.signed;
  const digest = (keyIds: string[], keys: Record<string, { keyVal: { public?: string } }>) =>
    keysDigest(keyIds.flatMap((id) => keys[id]?.keyVal.public ?? []));
  const roles: RoleFloors = {
    // Each root is signed by the one before, so that this floor ends only with another first root.
    root: { version: root.version, keys: firstKeys },
  };
  for (const role of ["timestamp", "snapshot", "targets"] as const) {
    const version = trusted[role]?.signed.version;
    if (version !== undefined) roles[role] = { version, keys: digest(root.roles[role]!.keyIDs, root.keys) };
  }
  const { roles: boards = {}, keys = {} } = trusted.targets?.signed.delegations ?? {};
  for (const { name, keyIDs } of Object.values(boards)) {
    const version = trusted.getRole(name)?.signed.version;
    if (version !== undefined) roles[name] = { version, keys: digest(keyIDs, keys) };
  }
  return roles;
}

async function filesIn(folder: string): Promise<MetadataFiles> {
  const names = (await readdir(folder)).toSorted();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), "utf8")] as const)),
  );
}
