// `image build --board nuc -o out/`: packages of Debian or NixOS and our programs become a flashable image.
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { imageInputs, imageName } from "../../../image/assemble/assemble.ts";
import { completeImage, replaceImage } from "../../../image/assemble/output.ts";
import { type Board, boardNamed, boardNames } from "../../../image/boards.ts";
import { type Bundle, Version } from "../../../image/bundle/bundle.ts";
import { buildDebianBundle } from "../../../image/bundle/debian/debian.ts";
import { removeLeftovers } from "../../../image/bundle/leftovers.ts";
import { describeDifference } from "../../../image/bundle/lock/lock.ts";
import { buildNixosBundle } from "../../../image/bundle/nixos/nixos.ts";
import { npmPackages } from "../../../image/bundle/sbom/npm.ts";
import { inspectImage } from "../../../image/inspect/inspect.ts";
import packageJson from "../../../package.json" with { type: "json" };
import { type Run, run } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";
import { type Command, text, usageError, type Values } from "../../terminal/command.ts";
import { hearStop } from "../../terminal/stop.ts";

export const imageBuild: Command = {
  usage: "image build --board <board> -o <folder> [--base debian|nixos]",
  summary: "make a flashable image for a board",
  example: "hamlet image build --board nuc -o out/",
  details: `
Runs on Debian and Ubuntu, without root where user namespaces are allowed. Packages are the locked ones, from the cache or
from HAMLET_DEBIAN_MIRROR (one URL or several), else from this computer's own Debian sources. The same lock gives the same
bytes; where a locked package is nowhere to be had the newest are taken, named, and the image is marked relocked.
With --base nixos Nix builds the system, on any Linux that has Nix.`,
  options: {
    board: { type: "string", argument: "board", describe: `what the image is for: ${boardNames.join(", ")}` },
    out: { type: "string", short: "o", argument: "folder", describe: "where hamlet-<board>-<version>.img goes" },
    base: {
      type: "string",
      argument: "debian|nixos",
      describe: "whose packages the system is made of (default debian, where it knows the board)",
    },
    version: { type: "string", argument: "v", describe: "version of the release (default: this project's)" },
    agent: { type: "string", argument: "file", describe: "a built agent to take instead of this project's" },
    locked: {
      type: "boolean",
      describe: "fail rather than take other packages or tools than the locked (NixOS always does)",
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
    if (!version.success) throw usageError(imageBuild, "a version has letters, digits, and . ~ + - only");
    const output = join(resolve(out), imageName(board.name, version.data));

    // Late: building needs tools that a device or a lone dist/hamlet.mjs does not have.
    const { buildAll, deviceFiles, projectFolder } = await import("../../build.ts").catch(notBuilt);
    const { builderCode } = await import("./builder-code.ts").catch(notBuilt);
    const { signal, exitCode } = hearStop();
    const abortable: Run = (argv, options) => run(argv, { ...options, signal, ownGroup: true });
    progress.stage("bundling the programs");
    await removeLeftovers(
      tmpdir(),
      /^hamlet-(apt|copyrights|mirror|nix|programs|repository)-[A-Za-z0-9]{6}$/,
      Date.now(),
    );
    const work = await mkdtemp(join(tmpdir(), "hamlet-programs-"));
    let isBuilt = false;
    try {
      const { programs, sources } = await buildAll(work).catch(notBuilt);
      const agent = text(values, "agent");
      if (agent) programs.set("agent.mjs", resolve(agent));
      signal.throwIfAborted();
      const extras = await deviceFiles(programs, board.name);
      const npm = await npmPackages(sources, projectFolder);
      const request = { board, version: version.data, extras, npm, projectFolder };
      const code = await builderCode(projectFolder).catch(notBuilt);
      const isLockedOnly = values["locked"] === true;
      const made: Bundle & { staleBecause?: HamletError } =
        base === "nixos"
          ? await buildNixosBundle(request, abortable, progress)
          : await buildDebianBundle({ ...request, code: code.bundle }, { isLockedOnly }, abortable, progress);
      const bundle = { ...made, inputs: imageInputs(made, code.image) };
      if (made.staleBecause) note(`${made.staleBecause.message}: taking the packages of the last build`);
      signal.throwIfAborted();
      const there = await inspectImage(output).catch(() => undefined);
      const unchanged = there?.inputs === bundle.inputs && !there.isProvisioned;
      if (!unchanged) await replaceImage(bundle, output, abortable, progress);
      isBuilt = true;
      signal.throwIfAborted();
      await completeImage(bundle, output, progress);
      progress.end();
      if (bundle.relocked) {
        note("relocked: not all that is locked could be had, so this image is made from:");
        for (const one of bundle.relocked) note(`  ${describeDifference(one)}`);
      }
      if (unchanged) note(`nothing changed since ${output} was built`);
    } catch (error) {
      if (!signal.aborted) throw error;
      progress.end();
      note(stoppedNote(output, isBuilt));
      return exitCode();
    } finally {
      await rm(work, { recursive: true, force: true });
    }
    const { size, blocks } = await stat(output);
    if (values["json"]) {
      print(JSON.stringify({ path: output, board: board.name, version: version.data, sizeBytes: size }));
    } else
      print(`${output}  ${(size / 2 ** 20).toFixed(0)} MiB (${((blocks * 512) / 2 ** 20).toFixed(0)} MiB on disk)`);
    return 0;
  },
};

/** Debian's packages where they can make the board and nobody asked for others: that needs no Nix. */
export function readBase(values: Values, board: Board): "debian" | "nixos" {
  const asked = text(values, "base");
  if (asked !== undefined && asked !== "debian" && asked !== "nixos") {
    throw usageError(imageBuild, `--base is debian or nixos, not '${asked}'`);
  }
  const base = asked ?? "debian";
  if (board.builders.includes(base)) return base;
  throw new HamletError("build.wrongBase", `Debian 12 has no kernel and no device tree for the ${board.describe}`, {
    hint: `NixOS has: hamlet image build --base nixos --board ${board.name} -o <folder>`,
    exitCode: 2,
  });
}

export const stoppedNote = (output: string, isBuilt: boolean): string =>
  isBuilt
    ? `stopped: ${output} is built, what belongs beside it may be missing; build again to make that`
    : "stopped: the image was not built";

const notBuilt = (cause: unknown): never => {
  throw new HamletError("build.failed", "the programs could not be bundled", {
    cause,
    hint: "images are built in a checkout of this project (npx hamlet image build), with its npm packages installed",
  });
};
