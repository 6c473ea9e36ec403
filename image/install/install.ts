// Moves a device from its stick to its internal disk, with its system and identity; at no moment do two disks hold the identity.
// The new disk is flashed like any card (flash/write.ts); its partition table, the last write, moves the identity
// (provisioning/firstboot/move.ts).
import { hash, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { readDisks } from "../../provisioning/firstboot/disks.ts";
import { agentOwner } from "../../provisioning/firstboot/machine.ts";
import {
  beginMove,
  finishMove,
  hideIdentity,
  type MoveOutcome,
  problemOfMove,
} from "../../provisioning/firstboot/move.ts";
import type { Paths } from "../../provisioning/firstboot/paths.ts";
import type { Owner } from "../../provisioning/handover/folder.ts";
import { giveProblems, problemOf } from "../../provisioning/handover/problems.ts";
import type { Run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import type { Progress } from "../../system/progress.ts";
import { blockBytes } from "../disk/block.ts";
import { alignedBuffer, pieceBytes, roundUp } from "../flash/pieces.ts";
import type { ImageSource } from "../flash/source.ts";
import { copyOf, planDisk } from "./copy.ts";
import type { OwnDisk } from "./own-disk.ts";
import { packState } from "./state.ts";

const mib = 1 << 20;

type InstallOptions = {
  paths: Paths;
  run: Run;
  progress: Progress;
  now: number;
  /** Writes the copy to the disk; `beforeTable` runs when everything except the table is written (flash/flash.ts). */
  write(source: ImageSource, beforeTable: () => Promise<void>): Promise<unknown>;
  /** A folder in memory, where keys may be for a minute. */
  workIn?: string;
};

/** The units that write to `data` and to the boot partition of a running device. */
const atWork = ["hamlet-agent.service", "hamlet-tell.path"];

/** Minimum size of a target. */
export const neededBytes = (disk: OwnDisk): number => planDisk(disk, leastDataBytes(disk)).sizeBytes;
const leastDataBytes = ({ gpt }: OwnDisk) => Math.min(64 * mib, gpt.partitions.at(-1)!.sectors * 512);

/** Throws the reason of a failure; its hint says where the identity is if this disk no longer has it. */
export async function install(disk: OwnDisk, target: string, options: InstallOptions): Promise<MoveOutcome> {
  const { paths, run, progress, write, now } = options;
  const agent = await agentOwner(paths.passwd);
  const found = (await readDisks(paths)).find(({ path }) => basename(path) === basename(target));
  if (!found) throw new HamletError("install.noDisk", `${target} is not a disk of this device`, { exitCode: 2 });
  const work = await mkdtemp(join(options.workIn ?? tmpdir(), "hamlet-install-"));
  const systemctl = (how: "stop" | "start", ...units: string[]) =>
    run(["systemctl", how, ...units], { timeoutMs: 60_000 });
  try {
    progress.stage("packing the state");
    // Stop the reports, and unmount the boot partition now rather than automatically during the copy: a mounted FAT is marked
    // as such.
    await systemctl("stop", ...atWork, "hamlet-tell.service");
    await systemctl("stop", "efi.mount");
    const state = dirname(paths.agentFolder);
    const data = await packState(state, work, leastDataBytes(disk), randomUUID(), run);
    await run(["sync"], { timeoutMs: 60_000 });
    const bootBefore = await hashOf(disk, "esp");
    const plan = planDisk(disk, data.sizeBytes);
    const source = await copyOf(disk, plan, data.path);
    try {
      await beginMove(paths, { v: 1, disk: found.id, guid: plan.guid });
      await write(source, async () => {
        await run(["sync"], { timeoutMs: 60_000 });
        if ((await hashOf(disk, "esp")) !== bootBefore) {
          throw new HamletError("install.changed", "the boot partition changed while it was copied", {
            hint: "an update was running: run hamlet install again when it is over",
          });
        }
        await hideIdentity(paths);
      });
    } finally {
      await source.close();
    }
    return await finishAndTell(paths, agent, now);
  } catch (error) {
    // A second failure must not hide the first; the next start finishes what is unfinished now.
    throw withOutcome(error, await finishAndTell(paths, agent, now).catch(() => "unknown" as const));
  } finally {
    await rm(work, { recursive: true, force: true });
    await systemctl("start", ...atWork).catch(() => {});
  }
}

async function finishAndTell(paths: Paths, agent: Owner, now: number): Promise<MoveOutcome> {
  const outcome = await finishMove(paths, agent);
  // Ignore a report that cannot be written.
  const moved = problemOfMove(outcome);
  if (moved) await giveProblems(paths.problems, [problemOf(moved, now)], agent).catch(() => {});
  return outcome;
}

const elsewhere: Partial<Record<MoveOutcome | "unknown", string>> = {
  moved: "the disk is complete anyway and is now this device: pull the stick out and restart",
  unclear: "the disk does not answer: restart to see which of the two disks this device starts from",
  unknown: "it is unclear which disk holds the identity: restart this device",
};

function withOutcome(error: unknown, outcome: MoveOutcome | "unknown"): unknown {
  const next = elsewhere[outcome];
  if (next === undefined || !(error instanceof HamletError)) return error;
  const { code, message, exitCode, cause } = error;
  // The hint of the failure says to try again, which would be wrong here.
  return new HamletError(code, message, { hint: next, exitCode, cause });
}

/** Covers the bytes that the file system uses. */
async function hashOf(disk: OwnDisk, label: string): Promise<string> {
  const buffer = alignedBuffer(pieceBytes);
  const end = roundUp(disk.used.get(label) ?? 0, blockBytes);
  const sums = [];
  for (let at = 0; at < end; at += pieceBytes) {
    const part = buffer.subarray(0, Math.min(pieceBytes, end - at));
    await disk.read(label, part, at);
    sums.push(hash("sha256", part, "hex"));
  }
  return sums.join();
}
