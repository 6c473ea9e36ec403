// The state of a mirror: the digests of its signed indexes, and the date of the suite. apt checks the signatures later,
// before it takes anything that the indexes name.
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Run } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";
import { maxIndexBytes } from "./deb-cache.ts";
import { components, debianSources, suite } from "./mirror.ts";
import { authConf, parseSource, type Source } from "./sources.ts";

export type MirrorState = { sources: Source[]; digest: string; epochS: number };

const mirrorDeadlineMs = 30_000;

/** The package sources of this computer. */
export async function mirrorSources(run: Run): Promise<Source[]> {
  const lines = await debianSources(process.env);
  return (lines.length > 0 ? lines : await sourcesOfMmdebstrap(run)).map(parseSource);
}

/** Throws `build.failed` if no mirror answers or none has our suite. */
export async function mirrorState(sources: Source[], run: Run): Promise<MirrorState> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-mirror-"));
  try {
    await writeFile(join(folder, "auth.conf"), authConf(sources), { mode: 0o600 });
    const indexes = await Promise.all(sources.map((source, index) => fetchIndex(source, folder, index, run)));
    // Other distributions use Debian's suite names too.
    const debian = indexes.filter(({ text }) => /^Origin: Debian$/m.test(text));
    const dated = debian.find(({ text }) => new RegExp(`^Codename: ${suite}$`, "m").test(text));
    const epochS = Date.parse(/^Date: (.*)$/m.exec(dated?.text ?? "")?.[1] ?? "") / 1000;
    if (!Number.isInteger(epochS)) throw new HamletError("build.failed", `no mirror has Debian ${suite}`);
    const hash = createHash("sha256");
    for (const { source, text } of debian) hash.update(JSON.stringify([source.line, text]));
    return { sources: debian.map(({ source }) => source), digest: hash.digest("hex"), epochS };
  } catch (cause) {
    if (cause instanceof HamletError && cause.code === "build.failed") throw cause;
    throw new HamletError("build.failed", "the Debian mirror does not answer", {
      cause,
      hint: "check the network, or name a mirror in HAMLET_DEBIAN_MIRROR",
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function fetchIndex(source: Source, folder: string, index: number, run: Run) {
  const path = join(folder, String(index));
  const settings = ["-q", "-o", `Dir::Etc::netrc=${join(folder, "auth.conf")}`];
  const address = `${source.url}dists/${source.suite}/InRelease`;
  // apt's own fetcher knows this computer's proxies and every kind of source.
  await run(["/usr/lib/apt/apt-helper", ...settings, "download-file", address, path], {
    timeoutMs: mirrorDeadlineMs,
    maxFileBytes: maxIndexBytes,
  });
  return { source, text: await readFile(path, "utf8") };
}

/** mmdebstrap's default sources: it is run for them and stopped before it fetches anything. */
async function sourcesOfMmdebstrap(run: Run): Promise<string[]> {
  const lines: string[] = [];
  const hook = '--setup-hook=cat "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* >&2 2>/dev/null; exit 1';
  const mode = `--mode=${process.getuid?.() === 0 ? "root" : "unshare"}`;
  const argv = [
    "mmdebstrap",
    mode,
    "--variant=apt",
    `--components=${components.join(",")}`,
    hook,
    suite,
    "/dev/null",
  ] as const;
  await run(argv, {
    timeoutMs: mirrorDeadlineMs,
    onStderrLine: (line) => {
      if (/^deb\s/.test(line)) lines.push(line);
    },
  }).catch((error) => {
    if (lines.length === 0) throw error;
  });
  return lines;
}
