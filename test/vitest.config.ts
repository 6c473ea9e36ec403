// Four projects, by what they need, one after the other: unit (nothing), net (namespaces), vm (a kernel under QEMU), boot (whole images).
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import { measureSlowness } from "./speed.ts";

const slowness = measureSlowness();
const minuteMs = 60_000 * slowness;

/** Whatever starts machines or measures time has the computer to itself: files in turn, in the order of `groupOrder`. */
const serial = (
  name: string,
  groupOrder: number,
  include: string[],
  minutes: number,
): TestProjectInlineConfiguration => ({
  extends: true,
  test: {
    name,
    include,
    fileParallelism: false,
    sequence: { groupOrder },
    testTimeout: minutes * minuteMs,
    hookTimeout: 2 * minutes * minuteMs,
  },
});

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    reporters: ["verbose", "./test/seconds-reporter.ts"],
    env: { HAMLET_TEST_SLOWNESS: String(slowness) },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/{net,vm,boot,web,bench}/**"],
          sequence: { groupOrder: 0 },
          testTimeout: 0.5 * minuteMs,
        },
      },
      serial("net", 1, ["test/{net,web}/**/*.test.ts"], 3),
      serial("vm", 2, ["test/vm/**/*.test.ts"], 20),
      serial("boot", 3, ["test/boot/**/*.test.ts"], 20),
    ],
  },
});
