// Four projects by what they need: unit (nothing) and, in parallel, net (namespaces); then machine (a QEMU machine or an image
// build, one at a time per file); then lab (a neighborhood of machines).
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import LongestFirst from "./longest-first.ts";
import { measureSlowness } from "./speed.ts";

/**
 * A machine that QEMU emulates slows down more than what is measured shows: where that took 1.3 times as long, devices took three times
 * as long to start. A limit only ends what hangs.
 */
const margin = 2.5;
const slowness = margin * measureSlowness();
const minuteMs = 60_000 * slowness;
/** Files that start three machines, even on few cores. */
const labFiles = ["test/boot/neighborhood.test.ts"];

/** `atOnce` is the number of files that run in parallel. */
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
/** Tests in namespaces are isolated and mostly wait, so one more file than cores can run. */
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
      // A virtual machine has one core.
      project("machine", 1, Math.max(1, Math.min(cores, 4)), 20, {
        include: ["test/{vm,boot}/**/*.test.ts"],
        exclude: labFiles,
        globalSetup: "./test/boot/image-first.ts",
      }),
      project("lab", 2, 1, 20, { include: labFiles }),
    ],
  },
});
