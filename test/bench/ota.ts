// Benchmarks updates: pairs of this project's own nuc images, published and installed by the real programs over loopback, beside other
// ways to bring the same bytes to a device. `node test/bench/ota.ts [pair...] [--runs n]`: by default all pairs, times of 3 runs.
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openRepository, type Repository, readPublished, repositoryFolder } from "../../ota/repository/folder.ts";
import { firstRootPath } from "../../ota/repository/init.ts";
import { publishImage } from "../../ota/repository/publish.ts";
import { run } from "../../system/command.ts";
import { cacheFolder } from "../../system/paths.ts";
import { type Figure, median, printFigures } from "./figures.ts";
import { bundleBoth, bytesToWrite, extractParts, type PartFiles, type Programs, startDevice } from "./ota/device.ts";
import { makePairs, type Pair, passphrase, publisherFolder } from "./ota/images.ts";
import { fullZstd, milliseconds, openCasync, patchFrom, raucModel, xdelta, zchunk } from "./ota/peers.ts";
import { webWithoutRanges, webWithRanges } from "./ota/web.ts";
import type { Wire } from "./ota/wire.ts";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: "string", default: "3" } },
});
const runs = Number(values.runs);
const warmChecks = 10;
const fetched = "bytes to fetch, all included";
const withoutRanges = "the same without ranges (python3 -m http.server)";
const size = (name: string, value: number, peer: string, their: number): Figure => ({
  ...{ name, value: value / 1000, unit: "kB", runs: name === fetched ? runs : 1 },
  peer: { name: peer, value: their / 1000 },
});
const { pairs, missing } = await makePairs(positionals);
const work = await mkdtemp(join(cacheFolder(), "bench-ota-run-"));
const fulls = new Map<string, number>();
try {
  const programs = await bundleBoth(work);
  const { keys } = await openRepository(publisherFolder, passphrase);
  const measured: Measured[] = [];
  for (const pair of pairs) measured.push(await measure(pair, programs, keys));
  // Slow, but whatever else the machine does changes no byte.
  for (const one of measured) await compareBytes(one);
} finally {
  await rm(work, { recursive: true, force: true });
}
for (const { name, because } of missing) console.log(`\nUpdate "${name}" is missing: ${because}`);
process.exitCode = missing.length === 0 ? 0 : 1;

type Measured = { pair: Pair; folder: string; older: PartFiles; newer: PartFiles; bytes: number; wholeBytes: number };

async function measure(pair: Pair, programs: Programs, keys: Repository["keys"]): Promise<Measured> {
  console.log(`\n${pair.name}: ${pair.describe}`);
  const folder = join(work, pair.name);
  await mkdir(folder);
  const [older, newer] = [
    await extractParts(pair.older, join(folder, "older")),
    await extractParts(pair.newer, join(folder, "newer")),
  ];
  const published = async (from: string, to: string, image: string): Promise<number> => {
    await rm(to, { recursive: true, force: true });
    await cp(from, to, { recursive: true });
    const repository = { folder: to, keys, current: await readPublished(to) };
    return await milliseconds(() => publishImage(repository, image, { now: Date.now() }));
  };
  const [before, after] = [join(folder, "before"), join(folder, "after")];
  await published(publisherFolder, before, pair.older);
  const checks = await measureChecks(before, older, programs, join(folder, "device"));

  const casync = await openCasync(join(folder, "casync"), older, newer);
  const times = { publish: [] as number[], make: [] as number[], apply: [] as number[], extract: [] as number[] };
  const updates: Awaited<ReturnType<typeof updateFrom>>[] = [];
  let theirs = { bytes: 0, requests: 0 };
  // Alternate, so that other load affects both alike.
  for (let count = 0; count < runs; count++) {
    times.publish.push(await published(before, after, pair.newer));
    times.make.push(await casync.make());
    const ours = await updateFrom(await webWithRanges(repositoryFolder(after)), older, newer, programs, folder);
    updates.push(ours);
    times.apply.push(ours.applyMs);
    const extracted = await casync.extract();
    times.extract.push(extracted.ms);
    theirs = extracted.carried;
  }
  const again = await updateTwice(await webWithRanges(repositoryFolder(after)), older, newer, programs, folder);
  const whole = await updateFrom(await webWithoutRanges(repositoryFolder(after)), older, newer, programs, folder);
  const bytes = median(updates.map(({ carried }) => carried.bytes));
  const single = (name: string, value: number, unit: string, count = runs): Figure => ({
    ...{ name, value, unit, runs: count },
  });
  const beside = (name: string, our: number[], peer: string, their: number[]): Figure => ({
    ...single(name, median(our) / 1000, "s"),
    peer: { name: peer, value: median(their) / 1000 },
  });
  const medianOf = (of: (one: (typeof updates)[number]) => number) => median(updates.map(of));
  const ofChecks = (of: (one: (typeof checks)[number]) => number) => median(checks.map(of));
  printFigures(`Update, ${pair.name}`, [
    beside("publish", times.publish, "casync make", times.make),
    beside("apply, verified, with hash tree", times.apply, "casync extract --seed", times.extract),
    single("peak RSS of the updater", medianOf((one) => one.peakRssBytes) / 1e6, "MB"),
    single("growth of the agent", medianOf((one) => one.agentGrowthBytes) / 1e6, "MB"),
    single(
      "bytes written / bytes of parts and hash tree",
      medianOf((one) => one.writtenBytes) / bytesToWrite(newer.release),
      "",
    ),
    single("the same after an abort at half of them", again, "", 1),
    single(
      "warm check",
      ofChecks(({ ms }) => ms),
      "ms",
      checks.length,
    ),
    single(
      "warm check: requests",
      ofChecks(({ requests }) => requests),
      "",
      checks.length,
    ),
    single(
      "warm check: all bytes",
      ofChecks((one) => one.bytes),
      "B",
      checks.length,
    ),
    {
      ...single(
        "requests of an update",
        medianOf(({ carried }) => carried.requests),
        "",
      ),
      peer: { name: "casync extract --seed", value: theirs.requests },
    },
  ]);
  const { bytes: wholeBytes, requests } = whole.carried;
  printFigures(`Bytes of an update, ${pair.name}`, [
    size(fetched, bytes, "casync extract --seed", theirs.bytes),
    size(withoutRanges, wholeBytes, "with ranges", bytes),
    single("the same without ranges: requests", requests, "", 1),
  ]);
  for (const name of ["before", "after", "casync"]) await rm(join(folder, name), { recursive: true });
  return { pair, folder, older, newer, bytes, wholeBytes };
}

async function compareBytes({ pair, folder, older, newer, bytes, wholeBytes }: Measured): Promise<void> {
  const full = fulls.get(pair.newer) ?? (await fullZstd(folder, newer));
  fulls.set(pair.newer, full);
  printFigures(`Bytes of an update beside whole ones, ${pair.name}`, [
    size(fetched, bytes, "full, zstd -19", full),
    size(withoutRanges, wholeBytes, "full, zstd -19", full),
    size(fetched, bytes, "RAUC block-hash-index, modelled", await raucModel(older, newer)),
    size(fetched, bytes, "zchunk", await zchunk(folder, older, newer)),
    size(fetched, bytes, "xdelta3 -9", await xdelta(folder, older, newer)),
    size(fetched, bytes, "zstd -19 --patch-from", await patchFrom(folder, older, newer)),
  ]);
}

async function measureChecks(publisher: string, older: PartFiles, programs: Programs, folder: string) {
  const web = await webWithRanges(repositoryFolder(publisher));
  const device = await startDevice(folder, older, firstRootPath(publisher), web.url, programs);
  const checks: { ms: number; bytes: number; requests: number }[] = [];
  try {
    await device.check();
    web.take();
    for (let count = 0; count < warmChecks; count++) {
      const { ms } = await device.check();
      checks.push({ ms, ...web.take() });
    }
    return checks;
  } finally {
    await device.close();
    await web.close();
  }
}

/** Bytes that an updater writes, of all, after another one was killed when half was written. */
async function updateTwice(web: Wire, older: PartFiles, newer: PartFiles, programs: Programs, folder: string) {
  const device = await startDevice(join(folder, "device"), older, firstRootPath(publisherFolder), web.url, programs);
  const all = bytesToWrite(newer.release);
  try {
    return (await device.updateAgain(all / 2)) / all;
  } finally {
    await device.close();
    await web.close();
  }
}

/** A device with the older release takes the newer one: from its first check to the restart. */
async function updateFrom(web: Wire, older: PartFiles, newer: PartFiles, programs: Programs, folder: string) {
  const device = await startDevice(join(folder, "device"), older, firstRootPath(publisherFolder), web.url, programs);
  try {
    const updated = await device.update();
    const { sizeBytes } = newer.release.parts.find(({ name }) => name === "root")!;
    await run(["cmp", "-n", String(sizeBytes), device.slotB, newer.root], { timeoutMs: 300_000 });
    return { ...updated, carried: web.take() };
  } finally {
    await device.close();
    await web.close();
  }
}
