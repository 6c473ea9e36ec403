import { afterEach, expect, test, vi } from "vitest";
import { install } from "../../../cli/commands/device/install.ts";
import { parseInput } from "../../../cli/terminal/command.ts";
import { untilStopped } from "../../../cli/terminal/stop.ts";
import { HamletError } from "../../../system/error.ts";
import { silentProgress } from "../../../system/progress.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

test("only root may install, which is said before any disk is looked at", async () => {
  const context = { print: () => {}, note: () => {}, progress: silentProgress };
  vi.spyOn(process, "getuid").mockReturnValue(1000);
  await expect(install.run(parseInput(install, ["--yes"], {}), context)).rejects.toMatchObject({
    code: "device.needsRoot",
    exitCode: 2,
  });
});

const stopped = new HamletError("flash.stopped", "stopped: nothing was written", { hint: "run it again" });

/** The exit code of work that fails with `error`, and what is told. */
async function ended(error: unknown, over: AbortController) {
  const told: string[] = [];
  const out = { note: (line: string) => told.push(line), progress: silentProgress };
  const work = async () => {
    throw error;
  };
  return [await untilStopped(out, work, { signal: over.signal, exitCode: () => 130 }), told];
}

test("work that is stopped by Ctrl-C says in a line what it has left, and its exit code is the signal's", async () => {
  const over = new AbortController();
  over.abort();
  expect(await ended(stopped, over)).toEqual([130, ["stopped: nothing was written (run it again)"]]);
  // A defect stays one, stopped or not.
  await expect(ended(new TypeError("x"), over)).rejects.toThrow(TypeError);
});

test("a failure that nobody asked for stays one", async () => {
  await expect(ended(stopped, new AbortController())).rejects.toBe(stopped);
});
