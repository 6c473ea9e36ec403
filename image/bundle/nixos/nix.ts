// The door to Nix: checks that it is installed and new enough, runs builds, and explains their failures.
import type { Run } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";
import type { Progress } from "../../../system/progress.ts";
import type { Board } from "../../boards.ts";

/** The oldest version that can evaluate nixos-26.05 (its lib/minver.nix). */
const oldestNix = [2, 18] as const;
/** Enough for a Raspberry Pi's kernel on a slow machine with an empty cache. */
const buildDeadlineMs = 12 * 60 * 60_000;
const keptLines = 400;

/** Throws `build.nixMissing` or `build.nixTooOld`, with a hint at the Debian builder if the board has it. */
export async function requireNix(board: Board, run: Run): Promise<void> {
  const getNix = "install Nix (Debian 13 and later: apt install nix-bin; elsewhere: its own installer)";
  const hint = board.builders.includes("debian") ? `${getNix}, or build from Debian packages: --base debian` : getNix;
  const told = await run(["nix", "--version"]).catch((cause) => {
    throw new HamletError("build.nixMissing", "this build needs Nix, which is not installed", { cause, hint });
  });
  const [, major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(told) ?? []).map(Number);
  if (major > oldestNix[0] || (major === oldestNix[0] && minor >= oldestNix[1])) return;
  const message = `found ${told.trim()}; Nix ${oldestNix.join(".")} or newer is needed`;
  throw new HamletError("build.nixTooOld", message, { hint });
}

/** Builds `installable`; `link` then points to the result and protects it from Nix's garbage collection. */
export async function nixBuild(
  installable: string,
  link: string,
  { nixSystem }: Pick<Board, "nixSystem">,
  run: Run,
  progress: Progress,
): Promise<void> {
  const lines: string[] = [];
  progress.stage("asking Nix what to build");
  const onStderrLine = (line: string) => {
    if (lines.push(line) > keptLines) lines.shift();
    const stage = stageOf(line);
    if (stage) progress.stage(stage);
  };
  const argv = [
    "nix",
    ...["--extra-experimental-features", "nix-command flakes"],
    "build",
    // Use this project's lock as it is, and do not update it.
    "--no-update-lock-file",
    ...["--out-link", link],
    installable,
  ] as const;
  await run(argv, { timeoutMs: buildDeadlineMs, onStderrLine }).catch((cause: unknown) => {
    throw explainNix(lines, nixSystem, cause);
  });
}

/** `building '/nix/store/<hash>-linux-6.18.39.drv'...` and `these 12 paths will be fetched (...)`. */
export function stageOf(line: string): string | undefined {
  const [, built] = /^building '\/[^']*\/[0-9a-z]{32}-([^']+)\.drv'/.exec(line) ?? [];
  if (built) return `building ${built}`;
  const [, fetched] = /^th(?:ese|is) ((?:\d+ )?paths? will be fetched.*?):?$/.exec(line) ?? [];
  return fetched && `Nix: ${fetched.replace("will be fetched", "to fetch")}`;
}

/** The first match counts: a daemon that refuses a connection also looks like a network that does. */
const causes: [pattern: RegExp, explain: (nixSystem: string) => HamletError][] = [
  [
    /cannot connect to (?:socket|daemon)|daemon-socket|(?:opening|creating) (?:lock file|directory) .*(?:Permission denied|Read-only)/,
    () =>
      new HamletError("build.nixNoDaemon", "Nix is installed, but this user cannot use it", {
        hint: "start its service (systemctl start nix-daemon) and be in the group that may use it (Debian: nix-users), or run as root",
      }),
  ],
  [
    /No space left on device|disk(?: is)? full|Disk quota exceeded/i,
    () =>
      new HamletError("build.diskFull", "Nix ran out of disk space", {
        hint: "free space in /nix and the temporary folder (nix-collect-garbage removes unused files); a first build takes about 10 GB",
      }),
  ],
  [
    /[Cc]ould(?: not|n't) resolve host|unable to download|Temporary failure in name resolution|Network is unreachable|[Cc]onnection (?:refused|timed out)/,
    () =>
      new HamletError("build.noNetwork", "Nix could not fetch its inputs", {
        hint: "check the network and Nix's substituters (nix show-config); fetched files are kept, so try again",
      }),
  ],
  [
    /a '[a-z0-9_]+-linux' .*is required to build|required to build '[^']*', but I am a|Exec format error/,
    (nixSystem) =>
      new HamletError("build.nixNoBuilder", `this computer cannot build for ${nixSystem}`, {
        hint: `build on an ${nixSystem} machine, name one in Nix's builders, or install qemu-user-static and set extra-platforms = ${nixSystem} in nix.conf`,
      }),
  ],
];

function explainNix(lines: string[], nixSystem: string, cause: unknown): unknown {
  // Ignore warnings: a retry may have succeeded.
  const text = lines.filter((line) => !line.startsWith("warning:")).join("\n");
  for (const [pattern, explain] of causes) {
    if (!pattern.test(text)) continue;
    const { code, message, hint } = explain(nixSystem);
    return new HamletError(code, message, { cause, ...(hint !== undefined && { hint }) });
  }
  if (!(cause instanceof HamletError) || cause.code !== "command.failed") return cause;
  // A failed derivation names its log.
  const [log] = lines.flatMap((line) => /nix log (\/\S+\.drv)/.exec(line)?.[1] ?? []);
  const own = saidByScript(lines);
  if (own)
    return new HamletError("build.failed", own.message, { cause, ...(own.hint !== undefined && { hint: own.hint }) });
  return new HamletError("build.failed", "Nix could not build the system bundle", {
    cause,
    hint: log ? `the whole log: nix log ${log}` : "the cause has Nix's last lines",
  });
}

/**
 * The complaint of a build script in nix/: `hamlet: <message>`, lines that belong to it, and `hamlet: hint: <text>`. Nix quotes the
 * last ten lines of a failed builder.
 */
function saidByScript(lines: string[]): { message: string; hint?: string } | undefined {
  const quoted = lines.flatMap((line) => /^\s*> ?(.*)$/.exec(line)?.[1] ?? []);
  const at = quoted.findLastIndex((line) => line.startsWith("hamlet: ") && !line.startsWith(hintMark));
  if (at < 0) return undefined;
  const end = quoted.findIndex((line, index) => index > at && line.startsWith(hintMark));
  const message = quoted
    .slice(at, end < 0 ? at + 1 : end)
    .join("\n")
    .replace(/^hamlet: /, "");
  return { message, ...(end >= 0 && { hint: quoted[end]!.slice(hintMark.length) }) };
}
const hintMark = "hamlet: hint: ";
