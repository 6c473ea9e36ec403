// The image: built with an empty cache and with a full one, what weighs in it, and what it takes to make it one device's.
import { mkdtemp, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../system/command.ts";
import { runHamlet } from "../boot/lab.ts";
import { type Figure, median, printFigures } from "./figures.ts";

const provisions = 10;
const bigBytes = 8 * 2 ** 30;
const folder = await mkdtemp(join(tmpdir(), "hamlet-bench-image-"));
const env = { XDG_CACHE_HOME: join(folder, "cache") };
const figures: Figure[] = [];

async function hamlet(...argv: string[]): Promise<{ seconds: number; stdout: string }> {
  const startedAt = performance.now();
  const { code, stdout, stderr } = await runHamlet(argv, env);
  if (code !== 0) throw new Error(`hamlet ${argv.join(" ")}: ${stderr}`);
  return { seconds: (performance.now() - startedAt) / 1000, stdout };
}

try {
  const out = join(folder, "out");
  const build = ["image", "build", "--board", "nuc", "-o", out, "--json"];
  const cold = await hamlet(...build);
  const { path } = JSON.parse(cold.stdout) as { path: string };
  const warm: number[] = [];
  for (let count = 0; count < 3; count++) warm.push((await hamlet(...build)).seconds);
  figures.push({ name: "image build, empty cache", value: cold.seconds, unit: "s", runs: 1 });
  figures.push({ name: "image build, nothing changed", value: median(warm), unit: "s", runs: 3 });
  const { size, blocks } = await stat(path);
  figures.push({ name: "image, as long as it says", value: size / 1e6, unit: "MB", runs: 1 });
  figures.push({ name: "image, what it takes on disk", value: (blocks * 512) / 1e6, unit: "MB", runs: 1 });

  const token = join(folder, "token.json");
  const passphrase = join(folder, "passphrase");
  await writeFile(passphrase, "correct horse battery\n", { mode: 0o600 });
  await hamlet("init", join(folder, "street"), "--name", "Elm Street", "--passphrase-file", passphrase);
  const street = ["--neighborhood", join(folder, "street"), "--passphrase-file", passphrase];
  await hamlet("token", "create", ...street, "--max-devices", "100", "-o", token);
  const big = join(folder, "big.img");
  await run(["cp", "--sparse=always", path, big], { timeoutMs: 60_000 });
  await truncate(big, bigBytes);
  const bare = median(await timed(provisions, () => runHamlet(["--help"], env)));
  for (const [what, image] of [
    ["as built", path],
    ["8 GB", big],
  ] as const) {
    let number = 0;
    const seconds = await timed(provisions, () =>
      hamlet("provision", image, ...street, "--token", token, "--name", `device-${number++}`),
    );
    const peer = { name: "hamlet --help", value: bare };
    figures.push({
      name: `provision one device, image ${what}`,
      value: median(seconds),
      unit: "s",
      runs: provisions,
      peer,
    });
  }
  const { stdout } = await hamlet("image", "inspect", path);
  printFigures("Image", figures);
  console.log(stdout);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function timed(runs: number, task: () => Promise<unknown>): Promise<number[]> {
  const seconds: number[] = [];
  for (let count = 0; count < runs; count++) {
    const startedAt = performance.now();
    await task();
    seconds.push((performance.now() - startedAt) / 1000);
  }
  return seconds;
}
