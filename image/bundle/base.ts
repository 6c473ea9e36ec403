// The base: a Debian root as a tar, and the kernel and firmware packages beside it. The slow part of a build, so it is
// kept in the cache under what it was made from: the package list and the state of the mirror.
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Argv, Run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import { readJson, writeJson } from "../../system/files.ts";
import { cacheFolder } from "../../system/paths.ts";
import type { Progress } from "../../system/progress.ts";
import type { Board } from "../boards.ts";
import { foreignPrograms, hostArchitecture } from "./foreign.ts";
import { components, debianSources, suite } from "./mirror.ts";
import { firmwarePackages, installed, kernelMetaPackage } from "./packages.ts";

/** `root.tar` and `debs/` in `folder`; `epochS` is the date of the suite, which every file gets at most. */
export type Base = {
  folder: string;
  key: string;
  epochS: number;
  /** Set if the mirror did not answer and this base was made earlier. */
  staleBecause?: HamletError;
};

const BaseJson = z.strictObject({ epochS: z.int().positive() });
const mirrorDeadlineMs = 30_000;
const buildDeadlineMs = 30 * 60_000;

export async function debianBase(board: Board, run: Run, progress: Progress): Promise<Base> {
  const parent = join(cacheFolder(), "base");
  const recipe = digest(
    JSON.stringify([3, board.debianArchitecture, installed, firmwarePackages[board.debianArchitecture]]),
  );
  progress.stage("asking the Debian mirror");
  const state = await mirrorState(run).catch((error: HamletError) => error);
  if (state instanceof HamletError) {
    const [newest] = await basesByUse(parent, recipe);
    const kept = newest && (await readBase(parent, newest));
    if (!kept) throw state;
    return { ...kept, staleBecause: state };
  }
  const key = `${recipe}-${digest(JSON.stringify([state.sources, state.digests]))}`;
  const found = await readBase(parent, key);
  if (found) {
    await utimes(found.folder, new Date(), new Date());
    return found;
  }
  const isForeign = board.debianArchitecture !== hostArchitecture();
  progress.stage(`installing Debian packages (${isForeign ? "two minutes, emulated" : "half a minute"})`);
  await mkdir(parent, { recursive: true });
  const making = await mkdtemp(join(parent, `${key}.`));
  try {
    await makeBase(board, state, making, run);
    await writeJson(join(making, "base.json"), { epochS: state.epochS });
    await rename(making, join(parent, key)).catch(async (error) => {
      // Another build was faster; its result is the same.
      if (!(await readBase(parent, key))) throw error;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  // A base is 320 MB: two of each architecture stay.
  for (const name of (await basesByUse(parent, "")).slice(4)) {
    await rm(join(parent, name), { recursive: true, force: true });
  }
  return { folder: join(parent, key), key, epochS: state.epochS };
}

const digest = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 16);

async function readBase(parent: string, key: string): Promise<Base | undefined> {
  const folder = join(parent, key);
  const facts = await readJson(join(folder, "base.json"), BaseJson).catch(() => undefined);
  return facts && { folder, key, epochS: facts.epochS };
}

/** Names of the bases whose recipe begins so, the one used last first. */
async function basesByUse(parent: string, recipe: string): Promise<string[]> {
  const names = (await readdir(parent).catch((): string[] => [])).filter(
    (name) => /^[0-9a-f]{16}-[0-9a-f]{16}$/.test(name) && name.startsWith(recipe),
  );
  const aged = await Promise.all(names.map(async (name) => ({ name, used: (await stat(join(parent, name))).mtimeMs })));
  return aged.sort((one, other) => other.used - one.used).map(({ name }) => name);
}

async function makeBase(board: Board, state: MirrorState, folder: string, run: Run): Promise<void> {
  const meta = kernelMetaPackage(board.debianArchitecture);
  // Downloaded through the chroot's own apt settings, so that signatures are checked as for installed packages.
  const download = [
    'mkdir "$1/hamlet" && chmod 777 "$1/hamlet" && cd "$1/hamlet"',
    'export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"',
    `kernel=$(apt-cache depends ${meta} | sed -n "s/^ *Depends: \\(linux-image-[0-9].*\\)/\\1/p" | head -n 1)`,
    `apt-get download "$kernel" ${firmwarePackages[board.debianArchitecture].join(" ")}`,
    'dpkg-query --admindir="$1/var/lib/dpkg" -W > packages.tsv',
    'for deb in *.deb; do dpkg-deb -W "$deb"; done >> packages.tsv',
  ].join(" && ");
  const excludes = ["doc", "man", "info", "locale"].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);
  // Licences travel with what they cover.
  excludes.push("--dpkgopt=path-include=/usr/share/doc/*/copyright");
  const foreign = foreignPrograms(board.debianArchitecture);
  await run(
    [
      ...foreign.enter,
      "mmdebstrap",
      "--quiet",
      `--mode=${process.getuid?.() === 0 ? "root" : "unshare"}`,
      ...foreign.options,
      "--variant=apt",
      "--format=tar",
      `--architectures=${board.debianArchitecture}`,
      `--components=${components.join(",")}`,
      `--include=${installed.join(",")}`,
      '--aptopt=APT::Install-Recommends "false"',
      '--aptopt=Acquire::Languages "none"',
      "--aptopt=Acquire::Retries 3",
      ...excludes,
      "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
      `--customize-hook=${download}`,
      `--customize-hook=copy-out /hamlet ${folder}`,
      '--customize-hook=rm -r "$1/hamlet"',
      suite,
      join(folder, "root.tar"),
      ...state.sources,
    ] as unknown as Argv,
    { timeoutMs: buildDeadlineMs, env: { SOURCE_DATE_EPOCH: String(state.epochS) } },
  ).catch((cause) => {
    throw new HamletError("build.failed", "the Debian packages could not be installed into a root filesystem", {
      cause,
      hint:
        process.getuid?.() === 0
          ? "the cause names the step; a mirror of your own goes into HAMLET_DEBIAN_MIRROR"
          : "without root this needs user namespaces and the package uidmap; or run it as root",
    });
  });
  await rename(join(folder, "hamlet"), join(folder, "debs"));
}

type MirrorState = { sources: string[]; digests: string[]; epochS: number };

/** Which packages the mirror has now: the digests of its signed indexes; mmdebstrap checks their signatures later. */
async function mirrorState(run: Run): Promise<MirrorState> {
  const wanted = (await debianSources(process.env)) as string[];
  const lines = wanted.length > 0 ? wanted : await sourcesOfMmdebstrap(run);
  const folder = await mkdtemp(join(tmpdir(), "hamlet-mirror-"));
  try {
    const indexes = await Promise.all(lines.map((line, index) => fetchIndex(line, join(folder, String(index)), run)));
    // Others publish under Debian's suite names too.
    const debian = indexes.filter(({ text }) => /^Origin: Debian$/m.test(text));
    const dated = debian.find(({ text }) => new RegExp(`^Codename: ${suite}$`, "m").test(text));
    const epochS = Date.parse(/^Date: (.*)$/m.exec(dated?.text ?? "")?.[1] ?? "") / 1000;
    if (!Number.isInteger(epochS)) throw new HamletError("build.failed", `no mirror has Debian ${suite}`);
    return { sources: debian.map(({ line }) => line), digests: debian.map(({ digest }) => digest), epochS };
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

async function fetchIndex(
  line: string,
  path: string,
  run: Run,
): Promise<{ line: string; text: string; digest: string }> {
  const [url = "", name = ""] = line.replace(/^deb\s+(\[[^\]]*\]\s+)?/, "").split(/\s+/);
  const index = `${url.replace(/\/$/, "")}/dists/${name}/InRelease`;
  // apt's own fetcher: it knows this computer's proxies and every kind of source.
  await run(["/usr/lib/apt/apt-helper", "download-file", index, path], { timeoutMs: mirrorDeadlineMs });
  const text = await readFile(path, "utf8");
  return { line, text, digest: createHash("sha256").update(text).digest("hex") };
}

/** The lines mmdebstrap would write by itself: it is asked, and stopped before it fetches anything. */
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
