// Compares flash with dd and bmaptool: the same image onto the same loop device. Only hamlet verifies what it wrote; its time
// includes Node's start, the checks before writing and the verification. `node test/bench/flash.ts x.img` names an image.
import { copyFile, mkdtemp, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildDevicePrograms } from "../../cli/package/build.ts";
import { run } from "../../system/command.ts";
import { runHamlet } from "../boot/lab.ts";
import { type Figure, median, printFigures } from "./figures.ts";

const rounds = 5;
const folder = await mkdtemp(join(tmpdir(), "hamlet-bench-flash-"));
const long = { timeoutMs: 600_000 };
let loop = "";

async function hamlet(...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await runHamlet(argv, {});
  if (code !== 0) throw new Error(`hamlet ${argv.join(" ")}: ${stderr}`);
  return stdout;
}

async function seconds(task: () => Promise<unknown>): Promise<number> {
  // Flush what the last run left in memory, so that it does not count here.
  await run(["sync"], long);
  const startedAt = performance.now();
  await task();
  return (performance.now() - startedAt) / 1000;
}

try {
  const build = async () => JSON.parse(await hamlet("image", "build", "--board", "nuc", "-o", folder, "--json")).path;
  const image: string = process.argv[2] ?? (await build());
  const bare = join(folder, "bare", "image.img");
  await run(["mkdir", "-p", join(folder, "bare")]);
  const card = join(folder, "card");
  const { size } = await stat(image);
  await writeFile(card, "");
  await truncate(card, size + (64 << 20));
  loop = (await run(["/sbin/losetup", "--find", "--show", card])).trim();
  await run(["cp", "--sparse=always", image, bare], long);
  const packed = join(folder, "bare", "image.img.zst");
  await run(["zstd", "-q", "-3", "-o", packed, image], long);
  await copyFile(`${image}.bmap`, join(folder, "bare", "mapped.img.zst.bmap"));
  await copyFile(packed, join(folder, "bare", "mapped.img.zst"));

  const flash = (path: string) => hamlet("flash", path, loop, "--yes");
  const program = (await buildDevicePrograms(join(folder, "dist"))).programs.get("hamlet.mjs")!;
  const ways: Record<string, () => Promise<unknown>> = {
    dd: () => run(["dd", `if=${image}`, `of=${loop}`, "bs=4M", "conv=fsync", "status=none"], long),
    bmaptool: () => run(["bmaptool", "copy", image, loop], long),
    hamlet: () => flash(image),
    "hamlet in one file": () => run([process.execPath, program, "flash", image, loop, "--yes"], long),
    "hamlet without map": () => flash(bare),
    "bmaptool .zst": () => run(["bmaptool", "copy", "--bmap", `${image}.bmap`, packed, loop], long),
    "hamlet .zst": () => flash(join(folder, "bare", "mapped.img.zst")),
  };
  const times = new Map(Object.keys(ways).map((name) => [name, [] as number[]]));
  // Alternate, so that other load affects all ways alike.
  for (let round = 0; round <= rounds; round++) {
    for (const [name, task] of Object.entries(ways)) {
      const took = await seconds(task);
      // The first round fills caches and allocates the loop file's blocks.
      if (round > 0) times.get(name)?.push(took);
    }
  }
  const of = (name: string) => median(times.get(name)!);
  const beside = (name: string, peer: string): Figure => ({
    name: `${name} (verified), beside ${peer} (not verified)`,
    value: of(name),
    unit: "s",
    runs: rounds,
    peer: { name: peer, value: of(peer) },
  });
  const written = JSON.parse(await hamlet("flash", image, loop, "--yes", "--json")).writtenBytes;
  printFigures("Flash", [
    { name: "image: length", value: size / 1e6, unit: "MB", runs: 1 },
    { name: "image: bytes to write", value: written / 1e6, unit: "MB", runs: 1 },
    beside("hamlet", "bmaptool"),
    beside("hamlet in one file", "bmaptool"),
    beside("hamlet", "dd"),
    beside("hamlet without map", "dd"),
    beside("hamlet .zst", "bmaptool .zst"),
  ]);
} finally {
  if (loop) await run(["/sbin/losetup", "--detach", loop]);
  await rm(folder, { recursive: true, force: true });
}
