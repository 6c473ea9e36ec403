// Four projects, by what they need: unit (nothing) and beside it net (namespaces), then machine (a machine under QEMU or the
// build of an image, one at a time in a file), then lab (a neighborhood of machines).
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import LongestFirst from "./longest-first.ts";
import { measureSlowness } from "./speed.ts";

const slowness = measureSlowness();
const minuteMs = 60_000 * slowness;
/** What starts three machines, on however few cores. */
const labFiles = ["test/boot/neighborhood.test.ts"];

/** `atOnce`: files that run beside each other. */
const project = (
  name: string,
  groupOrder: number,
  atOnce: number,
  minutes: number,
  files: { include: string[]; exclude?: string[]; globalSetup?: string },
): TestProjectInlineConfiguration => ({
  extends: true,
  test: {
    name,
    ...files,
    maxWorkers: atOnce,
    fileParallelism: atOnce > 1,
    sequence: { groupOrder },
    testTimeout: minutes * minuteMs,
    hookTimeout: 2 * minutes * minuteMs,
  },
});

const cores = availableParallelism();
/** Namespaces are their own worlds, and most of their time is waiting: whoever only computes goes on meanwhile. */
const withoutMachines = cores + 1;
export default defineConfig({
  test: {
    root: join(import.meta.dirname, ".."),
    reporters: ["verbose", "./test/seconds-reporter.ts"],
    env: { HAMLET_TEST_SLOWNESS: String(slowness) },
    sequence: { sequencer: LongestFirst },
    projects: [
      project("unit", 0, withoutMachines, 2, {
        include: ["test/**/*.test.ts"],
        exclude: ["test/{net,vm,boot,web,bench}/**"],
      }),
      project("net", 0, withoutMachines, 3, { include: ["test/{net,web}/**/*.test.ts"] }),
      // A machine has one core.
      project("machine", 1, Math.max(1, Math.min(cores, 4)), 20, {
        include: ["test/{vm,boot}/**/*.test.ts"],
        exclude: labFiles,
        globalSetup: "./test/boot/image-first.ts",
      }),
      project("lab", 2, 1, 20, { include: labFiles }),
    ],
  },
});
