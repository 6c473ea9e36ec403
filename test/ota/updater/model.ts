// A device in memory whose power may fail at any write: slots with writes that are not on the medium yet, an EFI partition, state on
// `data`, and time that passes only when nothing else is left to do.
import type { Slot } from "../../../image/boot/boot-control.ts";
import { verityOnCommandLine } from "../../../image/boot/running.ts";
import { parseEntryName } from "../../../image/boot/systemd-boot/entries.ts";
import type { EntryFolder } from "../../../image/boot/systemd-boot/entry-folder.ts";
import { slotOf } from "../../../image/boot/systemd-boot/new-kernel.ts";
import { systemdBoot } from "../../../image/boot/systemd-boot/systemd-boot.ts";
import { makeTree } from "../../../ota/format/verity.ts";
import type { ObjectRef } from "../../../ota/updater/agent-door.ts";
import type { Device } from "../../../ota/updater/device.ts";
import type { SlotPart } from "../../../ota/updater/slot-part.ts";
import type { State } from "../../../ota/updater/state.ts";
import { makeUpdater } from "../../../ota/updater/updater.ts";
import type { Evidence, EvidenceRequest, UpdateReport, UpdateRequest } from "../../../provisioning/handover/update.ts";
import { HamletError } from "../../../system/error.ts";
import { silentLog } from "../../../system/log.ts";
import { sectionsOf } from "../../image/assemble/stub.ts";
import { makeSystem } from "../../image/boot/bench.ts";
import { type Outcome, PowerCut } from "../../image/boot/power.ts";
import { chooseEntry } from "../../image/boot/systemd-boot/bench.ts";
import { board, kernelFor, type Release, type Repository } from "./repository.ts";

export type Random = () => number;
/** Numbers that follow from the seed. */
export function randomFrom(seed: number): Random {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

type Pending = { offset: number; bytes: Buffer };
type Medium = { bytes: Buffer; pending: Pending[] };

export type Ended = "restart" | "cut" | "quiet";

export function makeModel(releases: Release[], repository: Repository, random: Random) {
  const [first] = releases as [Release, ...Release[]];
  const system = makeSystem(first.version);
  const { power } = system;
  const slotBytes = 9 * 4096;
  const disk = new Map<string, Medium>();
  for (const label of ["root-a", "verity-a", "root-b", "verity-b"])
    disk.set(label, { bytes: Buffer.alloc(slotBytes), pending: [] });
  first.root.copy(disk.get("root-a")!.bytes);
  const firstTree = makeTree(first.root.length / 4096);
  firstTree.add(first.root);
  firstTree.finish().tree.copy(disk.get("verity-a")!.bytes);
  const files = new Map([[`hamlet_${first.version}.efi`, kernelFor(first, "a")]]);
  const kept = new Map<string, unknown>();
  const requests: UpdateRequest[] = [];
  let now = 0;
  let boots = 0;
  let isPowerOff = false;
  const model = {
    power,
    kept,
    files,
    /** Without it `sync` does nothing, as on a card that lies. */
    isSyncing: true,
    /** What the agent of each release says in a trial; undefined: it is silent. */
    evidenceOf: (_: string): Evidence | undefined => undefined,
    /** What other members say of the boot that runs. */
    witness: async (_: EvidenceRequest["witness"], __: string): Promise<Partial<Evidence>> => ({}),
    ask: (request: UpdateRequest) => requests.push(request),
    /** How many objects the updater has asked for. */
    fetched: 0,
    /** The release that runs. */
    running: first.version,
    last: undefined as UpdateReport | undefined,
    boot,
    verifies,
    /** Power fails now: each write that was not flushed is on the medium, or not, or half of it. */
    cut() {
      for (const medium of disk.values()) {
        for (const { offset, bytes } of medium.pending) {
          const part = [0, bytes.length, Math.floor(bytes.length * random())][Math.floor(random() * 3)]!;
          bytes.copy(medium.bytes, offset, 0, part);
        }
        medium.pending = [];
      }
    },
  };

  const content = (label: string): Buffer => {
    const { bytes, pending } = disk.get(label)!;
    const all = Buffer.from(bytes);
    for (const one of pending) one.bytes.copy(all, one.offset);
    return all;
  };

  function partOf(label: string): SlotPart {
    const medium = disk.get(label)!;
    const flush = () => {
      medium.bytes = content(label);
      medium.pending = [];
    };
    return {
      sizeBytes: slotBytes,
      read: async (offset, length) => content(label).subarray(offset, offset + length),
      write: (bytes, offset) =>
        power.write(
          async () => void medium.pending.push({ offset, bytes: Buffer.from(bytes) }),
          async () => void medium.pending.push({ offset, bytes: Buffer.from(bytes.subarray(0, bytes.length / 2)) }),
        ),
      sync: () =>
        power.write(
          async () => {
            if (model.isSyncing) flush();
          },
          async () => {},
        ),
      async *readBack(length) {
        const all = content(label);
        for (let at = 0; at < length; at += 16_384) yield Buffer.from(all.subarray(at, Math.min(at + 16_384, length)));
      },
      close: async () => {},
    };
  }

  const entries: EntryFolder = {
    list: async () =>
      [...files.keys()].flatMap((file) => {
        const named = parseEntryName(file);
        return named ? [{ ...named, slot: slotOf(files.get(file)!), sizeBytes: files.get(file)!.length }] : [];
      }),
    leftovers: async () =>
      [...files].filter(([file]) => file.endsWith(".new")).map(([file, { length }]) => ({ file, sizeBytes: length })),
    temporaryName: (version) => `hamlet_${version}.new`,
    async about(file) {
      const bytes = files.get(file) ?? Buffer.alloc(0);
      const slot = slotOf(bytes);
      return slot && { slot, verity: verityOnCommandLine(bytes.toString("latin1")) };
    },
    async writeNew(version, chunks) {
      const file = `hamlet_${version}.new`;
      const pieces: Buffer[] = [];
      for await (const chunk of chunks) pieces.push(Buffer.from(chunk));
      const whole = Buffer.concat(pieces);
      await power.write(
        async () => void files.set(file, whole),
        async () => void files.set(file, whole.subarray(0, whole.length / 2)),
      );
      return file;
    },
    async *readBack(file) {
      yield files.get(file)!;
    },
    rename: (from, to) =>
      power.write(
        async () => {
          files.set(to, files.get(from)!);
          files.delete(from);
        },
        // Both names, the new one possibly empty.
        async () => void files.set(to, random() < 0.5 ? files.get(from)! : Buffer.alloc(0)),
      ),
    disarm: (file) =>
      power.write(
        async () => {
          const kernel = Buffer.from(files.get(file)!);
          // A file that is empty has no name of a release to take away.
          if (kernel.length > 0)
            sectionsOf(kernel)
              .find(({ name }) => name === ".osrel")!
              .content.fill(0);
          files.set(file, kernel);
        },
        async () => {},
      ),
    remove: (file) =>
      power.write(
        async () => void files.delete(file),
        async () => {},
      ),
    freeBytes: async () => 1 << 20,
  };

  const state: State = {
    read: async (name) => structuredClone(kept.get(name)) as never,
    write: (name, value) =>
      power.write(
        async () => void (value === undefined ? kept.delete(name) : kept.set(name, structuredClone(value))),
        async () => {},
      ),
  };

  const releaseOf = (version: string): Release => releases.find((one) => one.version === version)!;

  /** Whether the slot holds all of the release, as dm-verity would find at each block. */
  function verifies(slot: Slot, version: string): boolean {
    const { root, rootHash } = releaseOf(version);
    const made = makeTree(root.length / 4096);
    made.add(disk.get(`root-${slot}`)!.bytes.subarray(0, root.length));
    const { tree, rootHash: found } = made.finish();
    return found === rootHash && tree.equals(disk.get(`verity-${slot}`)!.bytes.subarray(0, tree.length));
  }

  const sleepers: { dueMs: number; wake: () => void }[] = [];
  const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const sleeper = { dueMs: now + ms, wake: resolve };
      sleepers.push(sleeper);
      signal?.addEventListener("abort", () => {
        sleepers.splice(sleepers.indexOf(sleeper), 1);
        reject(signal.reason);
      });
    });

  /** Starts the device, and runs it until it restarts, loses power, or has nothing to do for a day. */
  async function boot(): Promise<{ ended: Ended; slot: Slot; version: string }> {
    const chosen = chooseEntry(
      [...files.keys()],
      (file) => files.get(file)!,
      (from, to) => {
        files.set(to, files.get(from)!);
        files.delete(from);
      },
    );
    if (!chosen) throw new Error(`neither slot starts: ${[...files.keys()].join(" ")}`);
    const { slot, version, countPath } = chosen;
    if (!verifies(slot, version)) throw new Error(`slot ${slot} starts and is not ${version}`);
    boots += 1;
    model.running = version;
    system.nextBoot();
    sleepers.length = 0;
    let ended: Ended | undefined;
    const never = new Promise<never>(() => {});
    /** A process without power never hears of anything again. */
    const mortal = <T extends object>(doors: T): T =>
      Object.fromEntries(
        Object.entries(doors).map(([name, door]) => [
          name,
          typeof door !== "function" || name === "readBack"
            ? door
            : async (...args: unknown[]) => {
                if (ended) await never;
                try {
                  return await door(...args);
                } catch (error) {
                  if (!(error instanceof PowerCut)) throw error;
                  ended ??= "cut";
                  return await never;
                }
              },
        ]),
      ) as T;
    const control = systemdBoot({
      entries,
      loaderVariable: async (name) => {
        if (name === "LoaderInfo") return Buffer.from("systemd-boot 252\0", "utf16le");
        return countPath === undefined ? undefined : Buffer.from(`${countPath}\0`, "utf16le");
      },
      commandLine: async () => `quiet hamlet.slot=${slot}`,
      record: system.record,
      bootId: system.bootId,
      version,
      tries: 3,
      restart: async () => {
        ended ??= "restart";
      },
    });
    const { rootHash } = releaseOf(version);
    const device: Device = {
      ...{ board, version, builtS: 1, bootId: await system.bootId(), rootHash, diskSignature: undefined },
      ...{
        isDataLost: false,
        failedUnits: async () => [],
        giveWay: async () => {},
        lastWords: async () => ["words"],
        isClockSet: async () => false,
        ownerAsked: async () => undefined,
      },
    };
    const newest = releases.at(-1)!;
    const updater = makeUpdater({
      control: mortal(control),
      state: mortal(state),
      device,
      marks: {
        rescued: async () => undefined,
        forgetRescue: async () => {},
        panicOf: async () => undefined,
        forgetPanics: async () => {},
      },
      door: {
        file: () => never,
        async object({ sha256 }: ObjectRef) {
          model.fetched += 1;
          return Buffer.from(repository.objects.get(sha256)!);
        },
        packed: () => never,
        async wait(report) {
          model.last = report;
          const request = requests.shift();
          return request ?? never;
        },
        async report(report) {
          model.last = report;
        },
        async evidence(request = {}) {
          const evidence = model.evidenceOf(version);
          if (evidence) return { ...evidence, ...(await model.witness(request.witness, await system.bootId())) };
          await sleep(10_000);
          throw new HamletError("update.agentSilent", "the agent does not answer");
        },
      },
      disk: {
        openPart: async (label) => mortal(partOf(label)),
        openOld: () => ({
          read: async (part, offset, length) =>
            part === "root" ? content(`root-${slot}`).subarray(offset, offset + length) : undefined,
          close: async () => {},
        }),
      },
      findNewest: async () => ({ manifest: newest.manifest, sha256: "", files: {}, roles: {} }),
      firstRoot: Buffer.alloc(0),
      clock: { now: () => now + boots, monotonic: () => now },
      log: silentLog,
      random,
      nonce: () => "n".repeat(22),
      sleep,
      takeTurn: async () => ({ done: async () => {} }),
      workIn: "/nowhere",
      pace: { firstCheckMs: 30 * 24 * 3600_000, checkEveryMs: 30 * 24 * 3600_000 },
      namedFolder: async () => undefined,
      trialDeadlineMs: async (verdictMs) => now + verdictMs,
    });
    updater.then(
      (one) => one.run(new AbortController().signal),
      () => {},
    );
    const startedAt = now;
    while (!ended) {
      // Everything that does not wait for time is done.
      await new Promise((resolve) => setImmediate(resolve));
      if (ended) break;
      const next = sleepers.toSorted((a, b) => a.dueMs - b.dueMs)[0];
      if (!next || next.dueMs - startedAt > 24 * 3600_000) ended = "quiet";
      else {
        sleepers.splice(sleepers.indexOf(next), 1);
        now = Math.max(now, next.dueMs);
        next.wake();
      }
    }
    if (ended === "cut") model.cut();
    // A restart flushes.
    if (ended === "restart") for (const label of disk.keys()) disk.set(label, { bytes: content(label), pending: [] });
    isPowerOff = ended === "cut";
    return { ended, slot, version };
  }

  return Object.assign(model, {
    /** Restarts until the device is quiet. */
    async settle(limit = 24): Promise<{ slot: Slot; version: string }> {
      for (let count = 0; count < limit; count++) {
        if (isPowerOff) power.restore();
        const { ended, slot, version } = await boot();
        if (ended === "quiet") return { slot, version };
      }
      throw new Error("it never settles");
    },
  });
}
export type Model = ReturnType<typeof makeModel>;
export type { Outcome };
