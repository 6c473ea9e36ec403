// Runs a reader on damaged inputs. Each must end with a value or a coded error, within limits on reads, processor time and memory.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HamletError } from "../../system/error.ts";
import { slowness } from "../speed.ts";
import { meter } from "./meter.ts";
import { makeRandom } from "./random.ts";
import type { Reader } from "./reader.ts";

/** For an input of a few megabytes; a reader that trusts a false number needs a hundred times as much. */
const limits = { reads: 20_000, bytes: 256 << 20 };
/** Processor time; the slowest valid input takes a tenth of a second. */
const maxCpuMs = 4_000;
const maxGrowthBytes = 768 << 20;

export type Until = (inputs: number) => boolean;

/** Returns the number of inputs. Throws at the first failure and names the index that reproduces it. */
export async function fuzz(reader: Reader, seed: number, isOver: Until): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-fuzz-"));
  try {
    const samples = await reader.samples(folder);
    // A reader that refuses its own samples would refuse everything and prove nothing.
    for (const sample of samples) await reader.read(sample, folder);
    let index = 0;
    for (; !isOver(index); index++) {
      const random = makeRandom(seed, index);
      const input = reader.change(random.of(samples), random);
      await readOne(reader, input, folder).catch((cause: unknown) => {
        throw new Error(`${reader.name}, seed ${seed}, input ${index}: ${cause}`, { cause });
      });
    }
    return index;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function readOne(reader: Reader, input: Buffer, folder: string): Promise<void> {
  const before = { cpu: process.cpuUsage(), rss: process.memoryUsage.rss() };
  await meter
    .within(limits, () => reader.read(input, folder))
    .catch((error: unknown) => {
      if (!(error instanceof HamletError)) throw error;
    });
  const { user, system } = process.cpuUsage(before.cpu);
  const [cpuMs, growth] = [(user + system) / 1000, process.memoryUsage.rss() - before.rss];
  if (cpuMs > maxCpuMs * slowness()) throw new Error(`it took ${cpuMs.toFixed(0)} ms of processor time`);
  if (growth > maxGrowthBytes) throw new Error(`it took ${(growth / 2 ** 20).toFixed(0)} MiB of memory`);
}
