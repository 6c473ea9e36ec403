// `image build --board nuc -o out/`: builds a flashable image from packages of Debian or NixOS and our programs.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Board, boardNamed, boardNames } from "../../../image/boards.ts";
import { describeDifference } from "../../../image/bundle/lock/lock.ts";
import { Version } from "../../../image/bundle/version.ts";
import { findLab } from "../../../image/lab/supervisor/client.ts";
import { makeImage } from "../../../image/make.ts";
import { metadataFolder } from "../../../ota/format/names.ts";
import packageJson from "../../../package.json" with { type: "json" };
import { type Run, run } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";
import { packageFolder } from "../../../system/package.ts";
import { programsFor } from "../../package/programs.ts";
import { type Command, type Context, text, usageError, type Values } from "../../terminal/command.ts";
import { untilStopped } from "../../terminal/stop.ts";
import { readRepositories, updateOptions } from "./update-options.ts";

export const imageBuild: Command = {
  usage: "image build --board <board> -o <folder> [--base debian|nixos]",
  summary: "make a flashable image for a board",
  example: "hamlet image build --board nuc -o out/",
  details: `
Runs on Debian and Ubuntu, without root if user namespaces are allowed. Takes the locked packages from the cache or from
HAMLET_DEBIAN_MIRROR (one URL or several), else from this computer's own Debian sources. The same lock gives the same bytes.
If a locked package is no longer available, it takes and names the newest ones, and marks the image as relocked.
With --base nixos Nix builds the system, on any Linux that has Nix.
--repository and --release-root say where the device gets its updates and whose signature it trusts. Without them it takes
those of the lab, if one is running, or else gets no updates.`,
  options: {
    board: {
      type: "string",
      argument: "board",
      choices: boardNames,
      describe: `the board to build for: ${boardNames.join(", ")}`,
    },
    out: { type: "string", short: "o", argument: "folder", describe: "folder for hamlet-<board>-<version>.img" },
    base: {
      type: "string",
      argument: "debian|nixos",
      describe: "distribution whose packages make up the system (default debian)",
    },
    version: { type: "string", argument: "v", describe: "version of the release (default: this project's)" },
    agent: { type: "string", argument: "file", describe: "a built agent to use instead of this project's" },
    ...updateOptions,
    locked: {
      type: "boolean",
      describe: "fail if a locked package or tool is not available (NixOS always does)",
    },
    json: { type: "boolean", describe: "print path, version and sizes as JSON" },
  },
  async run({ values }, { print, note, progress }) {
    const out = text(values, "out");
    if (!out) throw usageError(imageBuild, "-o <folder> is missing");
    const boardName = text(values, "board");
    if (!boardName) throw usageError(imageBuild, `--board is missing (${boardNames.join(", ")})`);
    const board = boardNamed(boardName);
    const base = readBase(values, board);
    const version = Version.safeParse(text(values, "version") ?? packageJson.version);
    if (!version.success) throw usageError(imageBuild, "a version may contain only letters, digits and . ~ + -");
    const request = {
      ...{ board, base, version: version.data, folder: out, projectFolder: packageFolder },
      ...{
        agent: text(values, "agent"),
        update: readUpdateSource(values) ?? (await labUpdateSource(note)),
        isLockedOnly: values["locked"] === true,
      },
    };
    return untilStopped({ note, progress }, async (signal) => {
      const abortable: Run = (argv, options) => run(argv, { ...options, signal, ownGroup: true });
      const made = await makeImage(request, { programsFor, run: abortable, progress, signal });
      progress.end();
      if (made.staleBecause) note(`${made.staleBecause.message}: using the packages of the last build`);
      if (made.relocked) {
        note("relocked: some locked packages or tools are not available, so this image differs from the lock:");
        for (const one of made.relocked) note(`  ${describeDifference(one)}`);
      }
      if (made.compression) note("the root filesystem fits its slot only compressed: updates will cost more to fetch");
      if (made.isUnchanged) note(`nothing changed since ${made.path} was built`);
      const { path, sizeBytes, storedBytes } = made;
      if (values["json"]) print(JSON.stringify({ path, board: board.name, version: version.data, sizeBytes }));
      else print(`${path}  ${mebibytes(sizeBytes)} MiB (${mebibytes(storedBytes)} MiB on disk)`);
      return 0;
    });
  },
};

/** While a lab runs, its own: then what is published to its web updates the device. */
async function labUpdateSource(
  note: Context["note"],
): Promise<{ repositories: string[]; releaseRoot: string } | undefined> {
  const status = await findLab().then(
    (lab) => lab.status(),
    () => undefined,
  );
  const releaseRoot = status?.web && join(status.web.folder, metadataFolder, "1.root.json");
  if (!status?.web || !releaseRoot || !existsSync(releaseRoot)) return undefined;
  note(`a lab is running: the device gets its updates from ${status.web.url} and trusts ${releaseRoot}`);
  return { repositories: [status.web.url], releaseRoot };
}

/** Throws `usage.invalid` if only one of the two is given: neither works without the other. */
function readUpdateSource(values: Values): { repositories: string[]; releaseRoot: string } | undefined {
  const repositories = readRepositories(imageBuild, values);
  const releaseRoot = text(values, "release-root");
  if (repositories === undefined && releaseRoot === undefined) return undefined;
  if (repositories === undefined) throw usageError(imageBuild, "--release-root needs --repository");
  if (releaseRoot === undefined) throw usageError(imageBuild, "--repository needs --release-root");
  return { repositories, releaseRoot };
}

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

/** Debian unless the user asks for NixOS, because it needs no Nix. Throws `build.wrongBase` if it cannot make the board. */
export function readBase(values: Values, board: Board): "debian" | "nixos" {
  const asked = text(values, "base");
  if (asked !== undefined && asked !== "debian" && asked !== "nixos") {
    throw usageError(imageBuild, `--base must be debian or nixos, not '${asked}'`);
  }
  const base = asked ?? "debian";
  if (board.builders.includes(base)) return base;
  throw new HamletError("build.wrongBase", `Debian 12 has no kernel and no device tree for the ${board.describe}`, {
    hint: `use NixOS: hamlet image build --base nixos --board ${board.name} -o <folder>`,
    exitCode: 2,
  });
}
