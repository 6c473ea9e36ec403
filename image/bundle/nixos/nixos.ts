// The NixOS builder: copies nix/, the files it reads and the built programs into a folder that Nix can evaluate by itself.
// The bundle is a link into Nix's store. Nix does the caching.
import { copyFile, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import units from "../../../nix/units.json" with { type: "json" };
import type { Run } from "../../../system/command.ts";
import { digestFile } from "../../../system/digest.ts";
import { errnoOf, HamletError } from "../../../system/error.ts";
import { readJson } from "../../../system/files.ts";
import { cacheFolder } from "../../../system/paths.ts";
import type { Progress } from "../../../system/progress.ts";
import { type Bundle, readBundle } from "../bundle.ts";
import type { BuildRequest } from "../debian/root.ts";
import { ownComponents } from "../sbom/sbom.ts";
import { nixBuild, requireNix } from "./nix.ts";

/** The files outside nix/ that its expressions read. */
const sources = ["nix", "image/bundle/root", "image/bundle/initrd", "package.json", ...Object.values(units).flat()];

export async function buildNixosBundle(request: BuildRequest, run: Run, progress: Progress): Promise<Bundle> {
  const { board, version } = request;
  await requireNix(board, run);
  const source = await mkdtemp(join(tmpdir(), "hamlet-nix-"));
  const link = join(cacheFolder(), "nixos", `${board.name}-${version}`);
  try {
    await stageSource(request, source);
    await mkdir(dirname(link), { recursive: true });
    // Run inside the folder: in a flake's address, a space, ? or # in the path would have another meaning.
    await nixBuild(
      `path:.#bundle-${board.name}`,
      link,
      board,
      (argv, how) => run(argv, { ...how, cwd: source }),
      progress,
    );
  } finally {
    await rm(source, { recursive: true, force: true });
  }
  progress.stage("checking the system bundle");
  const bundle = await readBundle(link);
  if (bundle.board === board.name && bundle.version === version) return bundle;
  throw new HamletError("bundle.invalid", `Nix made a bundle of ${bundle.board} ${bundle.version}`, {
    hint: `${board.name} ${version} was wanted: nix/flake.nix does not fit this program`,
  });
}

/** Makes a folder without git, npm packages and the rest of the checkout, so that Nix rebuilds for relevant changes only. */
export async function stageSource(request: BuildRequest, folder: string): Promise<void> {
  const { version, extras, npm, projectFolder } = request;
  for (const path of sources) {
    await cp(join(projectFolder, path), join(folder, path), { recursive: true }).catch((error) => {
      // Skip folders that do not exist.
      if (errnoOf(error) !== "ENOENT") throw error;
    });
  }
  await writeFile(join(folder, "nix/release.json"), `${JSON.stringify({ version })}\n`);
  for (const name of ["programs", "update"]) {
    await rm(join(folder, "nix", name), { recursive: true, force: true });
    await mkdir(join(folder, "nix", name));
  }
  const programs: { name: string; sha256: string }[] = [];
  for (const { path, target } of extras.filter((extra) => extra.target.endsWith(".json"))) {
    await copyFile(path, join(folder, "nix/update", basename(target)));
  }
  // The other extras, units and rules, are among the sources already.
  for (const { path, target } of extras.filter((extra) => extra.target.endsWith(".mjs"))) {
    await copyFile(path, join(folder, "nix/programs", basename(target)));
    programs.push({ name: basename(target), sha256: (await digestFile(path)).sha256 });
  }
  await writeFile(join(folder, "nix/components.json"), JSON.stringify(ownComponents({ version, npm, programs })));
  await writeFile(join(folder, "flake.nix"), flakeAbove(await readFlakeLock(join(projectFolder, "nix/flake.lock"))));
  await copyFile(join(folder, "nix/flake.lock"), join(folder, "flake.lock"));
}

const FlakeLock = z.object({
  nodes: z.record(
    z.string(),
    z.object({ flake: z.boolean().optional(), original: z.record(z.string(), z.string()).optional() }),
  ),
});

async function readFlakeLock(path: string): Promise<z.infer<typeof FlakeLock>> {
  const hint = "write it anew: nix flake lock ./nix";
  const lock = await readJson(path, FlakeLock, { hint });
  if (lock) return lock;
  throw new HamletError("file.unreadable", `${path} is missing`, { hint });
}

/**
 * A flake in the folder above nix/flake.nix, with the same inputs and outputs: without git a flake cannot read files above its
 * folder, and Nix has no `?dir=` for such a folder.
 */
function flakeAbove({ nodes }: z.infer<typeof FlakeLock>): string {
  const inputs = Object.entries(nodes).flatMap(([name, { flake, original }]) => {
    if (original === undefined) return [];
    const attributes = Object.entries(original).map(([key, value]) => `${key} = ${JSON.stringify(value)};`);
    return `  inputs.${name} = { ${attributes.join(" ")}${flake === false ? " flake = false;" : ""} };\n`;
  });
  return `{\n${inputs.join("")}  outputs = inputs: (import ./nix/flake.nix).outputs inputs;\n}\n`;
}
