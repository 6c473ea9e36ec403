// Makes the root filesystem, one erofs image: Debian's files without those that a device never uses, and ours on top.
import { createWriteStream } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import constants from "../../../nix/constants.json" with { type: "json" };
import type { Run } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";
import type { Board } from "../../boards.ts";
import { type Entry, file, folder, link, tar } from "../archive.ts";
import type { DeviceFile } from "../device-files.ts";
import { licenceTexts, type NpmPackage } from "../sbom/npm.ts";
import { sbomPath } from "../sbom/sbom.ts";
import type { Base } from "./base.ts";
import { entriesOf, type Kernel } from "./kernel.ts";
import { nodeLicence } from "./node.ts";
import { leftOut } from "./packages.ts";
import { installLinks, unitLinks } from "./units.ts";

export type BuildRequest = {
  board: Board;
  version: string;
  extras: DeviceFile[];
  /** npm packages inside the programs among `extras`. */
  npm: NpmPackage[];
  projectFolder: string;
};

const { rootUuid } = constants;
/** User and group of the agent. The same on every device, because files on `data` outlive an update. */
const hamletId = constants.agentUserId;

type Part = { name: string; entries: Entry[] };

/** The files added to Debian's, in the parts whose sizes are reported. */
export async function rootParts(
  { board, version, extras, npm, projectFolder }: BuildRequest,
  base: Base,
  kernel: Kernel,
  node: string,
  sbom: string,
): Promise<Part[]> {
  const { epochS } = base;
  const own: Entry[] = [];
  const programs: Entry[] = [];
  for (const { path, target } of extras) {
    const content = await readFile(path);
    const isUnit = target.startsWith("usr/lib/systemd/system/");
    (isUnit ? own : programs).push(file(target, content));
    if (isUnit) own.push(...installLinks(basename(target), content.toString("utf8")));
  }
  for (const entry of await entriesOf(join(projectFolder, "image/bundle/root"), "")) {
    const isUnit = entry.kind === "file" && /^usr\/lib\/systemd\/system\/[^/]+\.[a-z]+$/.test(entry.path);
    own.push(entry.path === "usr/lib/hamlet/grow-data" ? { ...entry, mode: 0o755 } : entry);
    if (isUnit) own.push(...installLinks(basename(entry.path), entry.content.toString("utf8")));
  }
  own.push(
    ...unitLinks(),
    ...["dev", "efi", "proc", "run", "sys", "var"].map((name) => folder(name)),
    folder("tmp", 0o1777),
    file("etc/machine-id", ""),
    file("etc/hamlet/agent.json", `${JSON.stringify({ board: board.name, release: version })}\n`),
    file("usr/lib/hamlet/release.json", `${JSON.stringify({ board: board.name, version, builtS: epochS })}\n`),
    file("usr/lib/os-release", osRelease(board, version)),
    file("usr/share/hamlet/packages.tsv", await readFile(join(base.folder, "debs/packages.tsv"))),
    file(sbomPath, sbom),
    file("usr/share/doc/hamlet/copyright", await readFile(join(projectFolder, "LICENSE"))),
    file("usr/share/doc/hamlet/npm-licences.txt", licenceTexts(npm)),
    file("usr/share/doc/node/copyright", await nodeLicence(node, board)),
    ...(await entriesOf(join(base.folder, "doc"), "usr/share/doc/")),
    link("etc/hostname", "/var/lib/hamlet/system/hostname"),
    link("etc/resolv.conf", "/run/systemd/resolve/stub-resolv.conf"),
    file("usr/bin/hamlet", '#!/bin/sh\nexec /usr/lib/hamlet/node /usr/lib/hamlet/hamlet.mjs "$@"\n', 0o755),
    // PID 1 takes this file's date as the earliest possible time (systemd(1)).
    file("usr/lib/clock-epoch", ""),
  );
  return [
    { name: "hamlet", entries: [...own, ...programs] },
    {
      name: "node",
      entries: [file("usr/lib/hamlet/node", await readFile(node), 0o755), link("usr/bin/node", "../lib/hamlet/node")],
    },
    { name: "modules", entries: await entriesOf(join(kernel.tree, "lib/modules"), "usr/lib/modules/") },
    { name: "firmware", entries: await entriesOf(join(kernel.tree, "lib/firmware"), "usr/lib/firmware/") },
  ];
}

export const osRelease = (board: Board, version: string): string =>
  [
    'NAME="Hamlet"',
    "ID=hamlet",
    "ID_LIKE=debian",
    `PRETTY_NAME="Hamlet ${version}"`,
    `VERSION_ID=${version}`,
    `IMAGE_ID=hamlet-${board.name}`,
    `IMAGE_VERSION=${version}`,
    "",
  ].join("\n");

/** Runs as root of a user namespace unless the caller is root, so that owners in the image are right either way. */
const script = `set -eu
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/root"
tar -x -C "$work/root" --numeric-owner --delay-directory-restore --anchored --wildcards "$@"
tar -x -C "$work/root" --numeric-owner <&3
cd "$work/root"
echo "hamlet:x:$HAMLET_ID:$HAMLET_ID:Hamlet agent:/nonexistent:/usr/sbin/nologin" >>etc/passwd
echo "hamlet:!:1::::::" >>etc/shadow
echo "hamlet:x:$HAMLET_ID:" >>etc/group
echo "hamlet:!::" >>etc/gshadow
chmod 755 .
# The default is this machine's page size since erofs-utils 1.6, and always 4096 before.
block=
if mkfs.erofs --help 2>&1 | grep -q -e '^ *-b#'; then block=-b4096; fi
mkfs.erofs --quiet $block -Enoinline_data -x-1 -T"$SOURCE_DATE_EPOCH" -U"$ROOT_UUID" "$work/root.erofs" . >&2
cat "$work/root.erofs"
`;

/** Writes the erofs image to `output`. The same parts and base give the same bytes. */
export async function makeRoot(base: Base, parts: Part[], output: string, run: Run): Promise<void> {
  const overlay = `${output}.overlay.tar`;
  // Sorted: a folder comes before its content.
  const entries = parts.flatMap((part) => part.entries).sort((a, b) => (a.path < b.path ? -1 : 1));
  await pipeline(Readable.from(tar(entries, base.epochS)), createWriteStream(overlay));
  const enter = process.getuid?.() === 0 ? [] : ["mmdebstrap", "--unshare-helper"];
  const excludes = leftOut.map((pattern) => `--exclude=${pattern}`);
  const redirect = 'out=$1; in=$2; over=$3; shift 3; exec "$@" <"$in" 3<"$over" >"$out"';
  try {
    await run(
      [
        "sh",
        "-c",
        redirect,
        "sh",
        output,
        join(base.folder, "root.tar"),
        overlay,
        ...enter,
        "sh",
        "-c",
        script,
        "sh",
        ...excludes,
      ],
      {
        timeoutMs: 300_000,
        env: { SOURCE_DATE_EPOCH: String(base.epochS), ROOT_UUID: rootUuid, HAMLET_ID: String(hamletId) },
      },
    );
  } catch (cause) {
    throw new HamletError("build.failed", "the root filesystem could not be made", { cause });
  } finally {
    await rm(overlay, { force: true });
  }
}

export const sizeOf = (part: Part): number =>
  part.entries.reduce((sum, entry) => sum + (entry.kind === "file" ? entry.content.length : 0), 0);
