// Pins the packages and tools of a build: the locked ones if they are available, else the newest.
import type { Run } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";
import type { Progress } from "../../../system/progress.ts";
import type { Board } from "../../boards.ts";
import {
  answers,
  type Difference,
  describeDifference,
  diffLocks,
  type Lock,
  packagesOf,
  readLock,
} from "../lock/lock.ts";
import { fetchDebs } from "./deb-cache.ts";
import { suite } from "./mirror.ts";
import { mirrorSources } from "./mirror-state.ts";
import { type Newest, newestLock } from "./newest.ts";
import { nodeVersion } from "./node.ts";
import { askedFor } from "./packages.ts";
import { toolVersions } from "./tools.ts";

/** The packages and tools of a build; `relocked` lists the differences from the committed lock. */
export type Pinned = Newest & { relocked: Difference[] };
export type PinOptions = {
  projectFolder: string;
  /** Fail rather than take anything but the locked packages. */
  isLockedOnly: boolean;
  /** Whether a base of these packages is cached, so that the packages are not needed. */
  hasBase(lock: Lock): Promise<boolean>;
};

/** Throws `build.relocked` if only the lock is allowed and it is not available, `build.failed` if nothing is. */
export async function pinPackages(board: Board, options: PinOptions, run: Run, progress: Progress): Promise<Pinned> {
  const { projectFolder, isLockedOnly, hasBase } = options;
  const locked = await readLock(projectFolder, board.debianArchitecture);
  const isCurrent = answers(locked, askedFor(board.debianArchitecture), suite) && locked.node.version === nodeVersion;
  progress.stage("looking for the locked packages");
  const kept = { ...locked, tools: await toolVersions(run) };
  if (isCurrent && ((await hasBase(kept)) || (await fetchAll(kept, run)).missing.length === 0)) {
    return refuseRelocked({ lock: kept, relocked: diffLocks(locked, kept) }, isLockedOnly);
  }
  progress.stage("asking the Debian mirror for newer packages");
  const newest = await newestLock(board, projectFolder, run);
  const pinned = refuseRelocked({ ...newest, relocked: diffLocks(locked, newest.lock) }, isLockedOnly);
  if (await hasBase(newest.lock)) return pinned;
  const { missing, cause } = await fetchAll(newest.lock, run);
  if (missing.length === 0) return pinned;
  throw new HamletError("build.failed", `${missing.length} packages of the mirror's index could not be fetched`, {
    cause: newest.staleBecause ?? cause,
    hint: "see the cause; try again in a few minutes, or name another mirror in HAMLET_DEBIAN_MIRROR",
  });
}

async function fetchAll(lock: Lock, run: Run): ReturnType<typeof fetchDebs> {
  const packages = Object.values(packagesOf(lock));
  const cached = await fetchDebs(packages, [], run);
  return cached.missing.length === 0 ? cached : fetchDebs(packages, await mirrorSources(run), run);
}

function refuseRelocked(pinned: Pinned, isLockedOnly: boolean): Pinned {
  if (!isLockedOnly || pinned.relocked.length === 0) return pinned;
  const lines = pinned.relocked.map((one) => `\n  ${describeDifference(one)}`).join("");
  throw new HamletError("build.relocked", `some locked packages are not available; this build would take:${lines}\n`, {
    hint: "build without --locked, or update the lock with `hamlet image lock` and commit it",
  });
}
