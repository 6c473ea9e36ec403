// The image that a lab's machines start from unless another is given: this project's, built again if anything changed.
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { z } from "zod";
import { HamletError } from "../../../system/error.ts";
import { parseJson } from "../../../system/files.ts";
import { programFile } from "../../../system/package.ts";
import { cacheFolder } from "../../../system/paths.ts";
import { startProgram } from "../../../system/program.ts";

const Built = z.object({ path: z.string() });
/** The builder's programs remove thousands of half-made files when they are stopped. */
const stopGraceMs = 15_000;

/** Where the image's device gets its updates. */
export type ImageUpdates = { repository: string; releaseRoot: string };

/**
 * Runs `hamlet image build` in a process group of its own: `signal` ends all of its programs, and so does the sudden end of
 * this process.
 */
export async function labImage(
  board = "nuc",
  {
    updates,
    folder = join(cacheFolder(), "image"),
    signal,
  }: { updates?: ImageUpdates; folder?: string; signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const hamlet = programFile("hamlet.mjs", "cli/hamlet.ts");
  const build = [hamlet, "image", "build", "--board", board, "-o", folder, "--json"];
  if (updates) build.push("--repository", updates.repository, "--release-root", updates.releaseRoot);
  const builder = startProgram([process.execPath, ...build], {
    stdout: "pipe",
    stderr: "inherit",
    ownGroup: true,
    // A killed process tells nobody, so the kernel signals the builder.
    onOurDeath: "TERM",
  });
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping = builder.stop(stopGraceMs);
  };
  signal?.addEventListener("abort", stop, { once: true });
  const [{ code }, output] = await Promise.all([builder.end, readText(builder.stdout)]);
  signal?.removeEventListener("abort", stop);
  await stopping;
  signal?.throwIfAborted();
  const built = Built.safeParse(parseJson(output));
  if (code === 0 && built.success) return built.data.path;
  throw new HamletError("build.failed", "the image could not be built; its error is above");
}
