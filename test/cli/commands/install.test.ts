import { afterEach, expect, test, vi } from "vitest";
import { install } from "../../../cli/commands/device/install.ts";
import { parseInput } from "../../../cli/terminal/command.ts";
import { untilStopped } from "../../../cli/terminal/stop.ts";
import { HamletError } from "../../../system/error.ts";
import { silentProgress } from "../../../system/progress.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

test("install requires root, and says so before it looks at any disk", async () => {
  const context = { print: () => {}, note: () => {}, progress: silentProgress };
  vi.spyOn(process, "getuid").mockReturnValue(1000);
  await expect(install.run(parseInput(install, ["--yes"], {}), context)).rejects.toMatchObject({
    code: "device.needsRoot",
    exitCode: 2,
  });
});

const stopped = new HamletError("flash.stopped", "stopped: nothing was written", { hint: "run it again" });

/** The exit code and the output of work that fails with `error`. */
async function ended(error: unknown, over: AbortController) {
  const told: string[] = [];
  const out = { note: (line: string) => told.push(line), progress: silentProgress };
  const work = async () => {
    throw error;
  };
  return [await untilStopped(out, work, { signal: over.signal, exitCode: () => 130 }), told];
}

test("work that Ctrl-C stops says in one line what it left behind, and exits with the signal's code", async () => {
  const over = new AbortController();
  over.abort();
  expect(await ended(stopped, over)).toEqual([130, ["stopped: nothing was written (run it again)"]]);
  // A defect is reported as one, even after a stop.
  await expect(ended(new TypeError("x"), over)).rejects.toThrow(TypeError);
});

test("a failure without Ctrl-C is reported as a failure", async () => {
  await expect(ended(stopped, new AbortController())).rejects.toBe(stopped);
});
