// Benchmarks images: building with an empty and a full cache, the size of their parts, and the time to provision one.
// `node test/bench/image.ts [board...]`: by default every board that can be built from Debian's packages.
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildDevicePrograms } from "../../cli/package/build.ts";
import { boardNamed, boardNames } from "../../image/boards.ts";
import { inspectImage } from "../../image/inspect/inspect.ts";
import { run } from "../../system/command.ts";
import { runHamlet } from "../boot/lab.ts";
import { type Figure, median, printFigures } from "./figures.ts";

const provisions = 10;
const gb = 1e9;
/** A fast compression level on all cores. */
const packing = ["zstd", "-10", "-T0", "-q", "-f"] as const;
const asked = process.argv.slice(2);
const boards = boardNames.filter(
  (name) => boardNamed(name).builders.includes("debian") && (asked.length === 0 || asked.includes(name)),
);
const folder = await mkdtemp(join(tmpdir(), "hamlet-bench-image-"));
const weights: Record<string, Record<string, number>> = {};

async function hamlet(argv: string[], env: Record<string, string> = {}): Promise<{ seconds: number; stdout: string }> {
  const startedAt = performance.now();
  const { code, stdout, stderr } = await runHamlet(argv, env);
  if (code !== 0) throw new Error(`hamlet ${argv.join(" ")}: ${stderr}`);
  return { seconds: (performance.now() - startedAt) / 1000, stdout };
}

try {
  const built = new Map<string, string>();
  for (const board of boards) built.set(board, await measureBoard(board));
  printWeights();
  const first = built.get("nuc") ?? [...built.values()][0];
  if (first !== undefined) await measureProvision(first);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measureBoard(board: string): Promise<string> {
  const env = { XDG_CACHE_HOME: join(folder, `cache-${board}`) };
  const build = ["image", "build", "--board", board, "-o", join(folder, board), "--json"];
  const cold = await hamlet(build, env);
  const { path } = JSON.parse(cold.stdout) as { path: string };
  const warm: number[] = [];
  for (let count = 0; count < 3; count++) warm.push((await hamlet(build, env)).seconds);
  await rm(env.XDG_CACHE_HOME, { recursive: true });
  const { size, blocks } = await stat(path);
  await run([...packing, "-o", `${path}.zst`, path], { timeoutMs: 1_800_000 });
  const packed = await stat(`${path}.zst`);
  await rm(`${path}.zst`);
  const megabytes = (name: string, bytes: number): Figure => ({ name, value: bytes / 1e6, unit: "MB", runs: 1 });
  printFigures(`Image of ${board}`, [
    { name: "build, empty cache", value: cold.seconds, unit: "s", runs: 1 },
    { name: "build, nothing changed", value: median(warm), unit: "s", runs: warm.length },
    megabytes("length", size),
    megabytes("on disk", blocks * 512),
    megabytes(`compressed, ${packing.slice(0, 2).join(" ")}`, packed.size),
  ]);
  weights[board] = (await inspectImage(path)).parts;
  return path;
}

/** Prints the parts of the root filesystems, largest first, in MB before the file system compresses them. */
function printWeights(): void {
  const origins = [...new Set(Object.values(weights).flatMap((parts) => Object.keys(parts)))];
  const heaviest = (origin: string) => Math.max(...Object.values(weights).map((parts) => parts[origin] ?? 0));
  const cell = (bytes: number) => (bytes / 1e6).toFixed(1).padStart(12);
  console.log(`\nRoot filesystems by origin, MB`);
  console.log(`  ${"".padEnd(20)}${boards.map((board) => board.padStart(12)).join("")}`);
  for (const origin of origins.toSorted((a, b) => heaviest(b) - heaviest(a))) {
    console.log(`  ${origin.padEnd(20)}${boards.map((board) => cell(weights[board]?.[origin] ?? 0)).join("")}`);
  }
  const totals = boards.map((board) => Object.values(weights[board] ?? {}).reduce((sum, bytes) => sum + bytes, 0));
  console.log(`  ${"all".padEnd(20)}${totals.map(cell).join("")}`);
  console.log(JSON.stringify({ title: "Root filesystems by origin", bytes: weights }));
}

async function measureProvision(image: string): Promise<void> {
  const [token, passphrase] = [join(folder, "token.json"), join(folder, "passphrase")];
  await writeFile(passphrase, "correct horse battery\n", { mode: 0o600 });
  await hamlet(["init", join(folder, "street"), "--name", "Elm Street", "--passphrase-file", passphrase]);
  const street = ["--neighborhood", join(folder, "street")];
  const sealed = [...street, "--passphrase-file", passphrase];
  await hamlet(["token", "create", ...sealed, "--max-devices", "100", "-o", token]);
  const big = join(folder, "big.img");
  await run(["cp", "--sparse=always", image, big], { timeoutMs: 60_000 });
  await truncate(big, 8 * gb);
  const program = (await buildDevicePrograms(join(folder, "dist"))).programs.get("hamlet.mjs")!;
  const bare = median(await timed(() => execFileSync(process.execPath, ["--eval", "0"])));
  const figures: Figure[] = [];
  for (const path of [image, big]) {
    const size = `${((await stat(path)).size / gb).toFixed(1)} GB`;
    let number = 0;
    const words = () => ["provision", path, ...street, "--token", token, "--name", `device-${number++}`];
    const figure = (from: string, seconds: number[]): Figure => ({
      ...{ name: `provision, image of ${size}, ${from}`, value: median(seconds) * 1000, unit: "ms", runs: provisions },
      peer: { name: "Node doing nothing", value: bare * 1000 },
    });
    figures.push(figure("from sources", await timed(() => hamlet(words()))));
    const inOne = () => execFileSync(process.execPath, [program, ...words()], { stdio: "ignore" });
    figures.push(figure("by dist/hamlet.mjs", await timed(inOne)));
  }
  printFigures("Provisioning", figures);
}

async function timed(task: () => unknown): Promise<number[]> {
  const seconds: number[] = [];
  for (let count = 0; count < provisions; count++) {
    const startedAt = performance.now();
    await task();
    seconds.push((performance.now() - startedAt) / 1000);
  }
  return seconds;
}
