// Times turning a bundle into an image, compared with genimage (from Buildroot) with the same partitions and the same parts.
// The boot program is built beforehand, because genimage cannot build one. Both write to the same file system and sync it.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assembleImage } from "../../image/assemble/assemble.ts";
import { firmwareFiles } from "../../image/assemble/firmware-files.ts";
import { boardNamed, layoutOf } from "../../image/boards.ts";
import { type Bundle, readBundle } from "../../image/bundle/bundle.ts";
import { inspectImage } from "../../image/inspect/inspect.ts";
import { run } from "../../system/command.ts";
import { cacheFolder } from "../../system/paths.ts";
import { silentProgress } from "../../system/progress.ts";
import { runHamlet } from "../boot/lab.ts";
import { median, printFigures } from "./figures.ts";

const board = boardNamed("nuc");
const runs = 5;
await mkdir(cacheFolder(), { recursive: true });
const folder = await mkdtemp(join(cacheFolder(), "bench-assemble-"));
try {
  const bundle = await cachedBundle();
  const [input, root] = [join(folder, "input"), join(folder, "root")];
  await mkdir(root);
  const config = await genimageConfig(bundle, input);
  const ours: number[] = [];
  const theirs: number[] = [];
  // Alternate, so that a busy minute of the machine affects both.
  for (let count = 0; count < runs; count++) {
    ours.push(await timed(["ours.img"], () => assembleImage(bundle, join(folder, "ours.img"), run, silentProgress)));
    theirs.push(await timed(["theirs", "tmp"], () => genimage(config, input, root)));
  }
  const sizes = await run(["du", "-k", join(folder, "ours.img"), join(folder, "theirs/disk.img")]);
  console.log(`on disk, KiB:\n${sizes.trim()}`);
  const peer = { name: "genimage", value: median(theirs) };
  printFigures("Assembling", [
    { name: `a ${board.name} image from its bundle`, value: median(ours), unit: "s", runs, peer },
  ]);
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** The bundle of this project's image, built if necessary. */
async function cachedBundle(): Promise<Bundle> {
  const build = ["image", "build", "--board", board.name, "-o", join(cacheFolder(), "image"), "--json"];
  const { code, stdout, stderr } = await runHamlet(build, {});
  if (code !== 0) throw new Error(stderr);
  const { version, inputs } = await inspectImage(JSON.parse(stdout).path);
  return readBundle(join(cacheFolder(), "bundle", `${board.name}-${version}-${inputs.slice(0, 16)}`));
}

/** Writes genimage's input files and returns the path of its configuration. */
async function genimageConfig(bundle: Bundle, input: string): Promise<string> {
  const layout = layoutOf(board);
  await mkdir(input);
  const parts: string[] = [];
  const inEsp = (await firmwareFiles(bundle))["esp"] ?? [];
  const files = [["hamlet/provision.json", Buffer.alloc(65_536, "\n")] as const, ...inEsp];
  for (const [index, [path, content]] of files.entries()) {
    await writeFile(join(input, `file-${index}`), content);
    parts.push(`    file "${path}" { image = "file-${index}" }`);
  }
  for (const name of ["root.erofs", "verity.img"])
    await run(["ln", "-s", join(bundle.folder, name), join(input, name)]);
  const images: Record<string, string> = {
    esp: "esp.vfat",
    "root-a": "root.erofs",
    "verity-a": "verity.img",
    data: "data.ext4",
  };
  const sizeOf = (label: string) => layout.partitions.find((one) => one.label === label)!.sizeMiB;
  const partitions = layout.partitions.map(
    ({ label, sizeMiB }) =>
      `  partition ${label} {\n    size = ${sizeMiB}M\n${images[label] ? `    image = "${images[label]}"\n` : ""}    partition-type-uuid = ${label === "esp" ? "U" : "L"}\n  }`,
  );
  const config = join(input, "genimage.cfg");
  await writeFile(
    config,
    `image esp.vfat {
  vfat {
    extraargs = "-F 32 -s 4 -n HAMLET"
${parts.join("\n")}
  }
  size = ${sizeOf("esp")}M
}
image data.ext4 {
  ext4 {
    label = "hamlet-data"
    use-mke2fs = true
  }
  size = ${sizeOf("data")}M
}
image disk.img {
  hdimage { partition-table-type = "gpt" }
${partitions.join("\n")}
}
`,
  );
  return config;
}

async function genimage(config: string, input: string, root: string): Promise<void> {
  const [out, tmp] = [join(folder, "theirs"), join(folder, "tmp")];
  const argv = ["genimage", "--config", config, "--inputpath", input, "--rootpath", root] as const;
  await run([...argv, "--outputpath", out, "--tmppath", tmp], { timeoutMs: 300_000, cwd: folder });
  await run(["sync", join(out, "disk.img")], { timeoutMs: 120_000 });
}

/** Times `task` after deleting `leftovers` of the last run and flushing pending writes to the disk. */
async function timed(leftovers: string[], task: () => Promise<unknown>): Promise<number> {
  for (const name of leftovers) await rm(join(folder, name), { recursive: true, force: true });
  await run(["sync"], { timeoutMs: 120_000 });
  const startedAt = performance.now();
  await task();
  return (performance.now() - startedAt) / 1000;
}
