// A device with two slots as files, boot control's model of systemd-boot, and time that passes a hundred times as fast.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BootControl, Slot } from "../../../image/boot/boot-control.ts";
import { startMarksIn } from "../../../image/boot/start-marks.ts";
import { makeTree } from "../../../ota/format/verity.ts";
import { openAgentDoor } from "../../../ota/updater/agent-door.ts";
import type { Device } from "../../../ota/updater/device.ts";
import { findNewest } from "../../../ota/updater/metadata.ts";
import { openOldRelease } from "../../../ota/updater/old-release.ts";
import type { UpdaterParts } from "../../../ota/updater/parts.ts";
import { openSlotPart } from "../../../ota/updater/slot-part.ts";
import { stateIn } from "../../../ota/updater/state.ts";
import { makeUpdater } from "../../../ota/updater/updater.ts";
import { sleep } from "../../../system/clock.ts";
import { silentLog } from "../../../system/log.ts";
import { takeTurn } from "../../../system/turn.ts";
import { eventually } from "../../eventually.ts";
import { systemdBootBench } from "../../image/boot/systemd-boot/bench.ts";
import { startAgent } from "./agent.ts";
import { board, kernelFor, makeRepository, type Release } from "./repository.ts";

export const speed = 100;
const slotBytes = 64 * 4096;
const treeBytes = 8 * 4096;
const clock = { now: Date.now, monotonic: () => performance.now() * speed };

export type Bench = Awaited<ReturnType<typeof makeBench>>;

export async function makeBench() {
  const folder = mkdtempSync(join(tmpdir(), "hamlet-updater-"));
  const disk = join(folder, "disk");
  mkdirSync(disk);
  for (const slot of ["a", "b"]) {
    writeFileSync(join(disk, `root-${slot}`), Buffer.alloc(slotBytes));
    writeFileSync(join(disk, `verity-${slot}`), Buffer.alloc(treeBytes));
  }
  const repository = makeRepository();
  const boot = await systemdBootBench();
  const first = repository.makeRelease("1.0");
  repository.publish(first);
  const firstTree = makeTree(first.root.length / 4096);
  firstTree.add(first.root);
  const { tree } = firstTree.finish();
  writeFileSync(join(disk, "verity-a"), Buffer.concat([tree, Buffer.alloc(treeBytes - tree.length)]));
  writeFileSync(join(disk, "root-a"), Buffer.concat([first.root, Buffer.alloc(slotBytes - first.root.length)]));
  writeFileSync(join(boot.folder, "hamlet_1.0.efi"), kernelFor(first, "a"));
  const agent = await startAgent(folder, repository);
  const releases = new Map<string, Release>([["1.0", first]]);
  const bench = {
    folder,
    disk,
    repository,
    boot,
    agent,
    first,
    stateFolder: join(folder, "update"),
    /** What the device's system says of itself. */
    facts: {} as Partial<Device>,
    parts: {} as Partial<UpdaterParts>,
    isClockSet: false,
    namedFolder: undefined as string | undefined,
    ownerAsked: undefined as Awaited<ReturnType<Device["ownerAsked"]>>,
    publish(version: string, options: Parameters<typeof repository.makeRelease>[1] = {}) {
      const release = repository.publish(repository.makeRelease(version, options));
      releases.set(version, release);
      return release;
    },
    slot: (label: string) => readFileSync(join(disk, label)),
    /** Starts the device and its updater. */
    async start(reset: Parameters<typeof boot.start>[0] = { kind: "power" }) {
      // What a slot holds is what starts there.
      for (const slot of ["a", "b"] as const) {
        for (const { version, root } of releases.values()) {
          if (bench.slot(`root-${slot}`).subarray(0, root.length).equals(root)) await boot.writeSlot(slot, version);
        }
      }
      const running = await boot.start(reset);
      // A restart empties /run.
      rmSync(join(folder, "turn"), { force: true });
      return runUpdater(running.control, running.slot, running.version, `${count++}`);
    },
    /** Installs 1.1 on top of 1.0, up to the restart into its trial. */
    async installNext(): Promise<void> {
      bench.publish("1.1", { from: first });
      const old = await bench.start();
      agent.ask({ kind: "now" });
      await old.untilRestart();
    },
    /** From 1.0 in slot a to 1.1 in slot b, which is kept. */
    async updateToNext(): ReturnType<typeof runUpdater> {
      await bench.installNext();
      const trial = await bench.start({ kind: "reboot" });
      await trial.untilReport(({ history, earlier }) => history.length > 0 && earlier === "1.0");
      return trial;
    },
    async close() {
      await agent.close();
      boot.dispose();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  let count = 0;

  async function runUpdater(control: BootControl, slot: Slot, version: string, bootId: string) {
    const over = new AbortController();
    const until: { restarted: boolean } = { restarted: false };
    let isOver = false;
    const mortal = makeMortal();
    const door = mortal.wrap(openAgentDoor(agent.socketPath));
    const updater = await makeUpdater({
      control: mortal.wrap({
        ...control,
        async reboot() {
          await control.reboot();
          until.restarted = true;
          over.abort();
        },
      }),
      door,
      state: mortal.wrap(stateIn(bench.stateFolder)),
      device: {
        ...{ board, version, builtS: 1_600_000_000, bootId, diskSignature: undefined, isDataLost: false },
        rootHash: releases.get(version)!.rootHash,
        failedUnits: async () => [],
        giveWay: async () => {},
        lastWords: async () => ["the last words"],
        isClockSet: async () => bench.isClockSet,
        ownerAsked: async () => bench.ownerAsked,
        ...bench.facts,
      },
      marks: startMarksIn(join(folder, "system")),
      disk: {
        openPart: async (label) => mortal.wrap(await openSlotPart(join(disk, label), "/sys")),
        openOld: (of) => openOldRelease(disk, boot.folder, of),
      },
      findNewest,
      firstRoot: repository.firstRoot,
      clock,
      log: silentLog,
      random: Math.random,
      nonce: () => "n".repeat(22),
      sleep: (ms, signal) => sleep(Math.min(ms / speed, 2 ** 31 - 1), signal),
      takeTurn: () => takeTurn(join(folder, "turn")),
      workIn: folder,
      pace: { firstCheckMs: 600_000_000, checkEveryMs: 600_000_000 },
      namedFolder: async () => {
        const named = bench.namedFolder;
        bench.namedFolder = undefined;
        return named;
      },
      trialDeadlineMs: async (verdictMs) => clock.monotonic() + verdictMs,
      ...bench.parts,
    });
    const ended = updater.run(over.signal);
    // Of interest only to a test that awaits it: another one may be over before a trial has begun.
    ended.catch(() => {});
    const running = {
      slot,
      version,
      control,
      ended,
      restarted: () => until.restarted,
      /** Ends the updater, as a crash does. */
      async stop() {
        isOver = true;
        mortal.die();
        over.abort();
        agent.closeHeld();
      },
      /** Ends the updater and starts it again in the same boot. */
      async again() {
        await running.stop();
        return runUpdater(control, slot, version, bootId);
      },
      /** Until the device has restarted itself. */
      async untilRestart() {
        await eventually(() => until.restarted || isOver, { within: 10_000, every: 5 });
        if (!isOver) await running.stop();
      },
      untilReport: (isIt: (report: NonNullable<ReturnType<typeof agent.last>>) => boolean) =>
        eventually(
          () => {
            const report = agent.last();
            if (report && isIt(report)) return report;
            throw new Error(JSON.stringify(report));
          },
          { within: 10_000, every: 5 },
        ),
    };
    return running;
  }
  return bench;
}

/** Wraps doors so that nothing which goes through them returns after `die`, as in a process that was killed. */
function makeMortal() {
  let isDead = false;
  const never = new Promise<never>(() => {});
  return {
    die() {
      isDead = true;
    },
    wrap<T extends object>(doors: T): T {
      const wrapped = Object.entries(doors).map(([name, door]) => {
        if (typeof door !== "function" || name === "readBack") return [name, door];
        return [
          name,
          async (...args: unknown[]) => {
            if (isDead) await never;
            const result = await door(...args);
            if (isDead) await never;
            return result;
          },
        ];
      });
      return Object.fromEntries(wrapped) as T;
    },
  };
}
