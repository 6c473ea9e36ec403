// Boot control by systemd-boot's boot counting: a new kernel is `hamlet_<version>+3.efi`, the loader counts down by renaming,
// and a name without a counter is blessed. systemd-bless-boot stays masked, because the updater decides the verdict.
import { HamletError } from "../../../system/error.ts";
import {
  type BootControl,
  type BootState,
  type Candidate,
  checkRevert,
  checkStage,
  type Earlier,
  leaving,
  otherSlot,
  reasonOf,
  type Slot,
} from "../boot-control.ts";
import { slotOnCommandLine } from "../running.ts";
import type { TrialRecordDoor } from "../trial-record.ts";
import { compareVersions } from "../versions.ts";
import { type Entry, entryName, isBlessed, parseEntryName } from "./entries.ts";
import type { EntryFolder } from "./entry-folder.ts";
import { checkKernel, findWritten, peekAtKernel, writeKernel } from "./new-kernel.ts";
import { earlierEntry, judgeEntries } from "./state.ts";

type SystemdBootDoors = {
  entries: EntryFolder;
  /** Value of a loader variable, without its attributes. */
  loaderVariable(name: string): Promise<Buffer | undefined>;
  commandLine(): Promise<string>;
  record: TrialRecordDoor;
  bootId(): Promise<string>;
  version: string;
  /** How often a new slot may be started (nix/boards.json). */
  tries: number;
  restart(argument?: string): Promise<void>;
};

const noGoodEntry = (why: string, hint: string) => new HamletError("boot.noGoodEntry", why, { hint, exitCode: 3 });

export function systemdBoot(doors: SystemdBootDoors): BootControl {
  const { entries: folder, record, tries } = doors;

  async function look(): Promise<{ state: BootState; entries: Entry[]; own: Entry | undefined }> {
    const slot = slotOnCommandLine(await doors.commandLine());
    const entries = await folder.list();
    const counted = (await countedPath(doors)) ?? unblessed(entries, slot);
    const noted = await record.read();
    // The version in the file name, which the loader sorts by. It is the release's own unless a slot was written by hand.
    const named = entries.filter((one) => one.slot === slot);
    const isOwn = (one: Entry) => one.version === doors.version;
    const { version } = named.find(({ stem }) => stem === counted) ?? named.find(isOwn) ?? named[0] ?? doors;
    const state = judgeEntries({
      running: { slot, version },
      countedStem: counted,
      entries,
      record: noted,
      bootId: await doors.bootId(),
      tries,
    });
    const own =
      entries.find((one) => one.slot === slot && one.triesLeft !== undefined && one.stem === counted) ??
      entries.find((one) => one.slot === slot && one.isShort);
    return { state, entries, own };
  }

  const note = async (slot: Slot, version: string, phase: "staged" | "requested" | "started" | "bad") =>
    record.write({ slot, version, phase, bootId: await doors.bootId() });

  return {
    current: async () => (await look()).state,
    rollbackReason: async () => reasonOf((await look()).state),

    async prepare(slot, candidate) {
      await prepare(slot, candidate);
    },

    async stage(slot, candidate) {
      const temporary = await prepare(slot, candidate);
      await note(slot, candidate.version, "staged");
      await folder.rename(temporary, entryName(candidate.version, tries));
    },

    async reboot() {
      const { state } = await look();
      if (state.phase === "armed") await note(state.trial.slot, state.trial.version, "requested");
      await doors.restart();
    },

    async begin() {
      const { state } = await look();
      if (state.phase === "trying" && !state.isMarkedBad) await note(state.slot, state.version, "started");
    },

    async commit() {
      const { state, own, entries } = await look();
      if (state.phase === "settled") return;
      if (state.phase === "left") throw leaving(state);
      if (state.phase !== "trying" || state.isMarkedBad || !own) {
        throw new HamletError("boot.noTrial", `slot ${state.slot} is not on trial: there is nothing to commit`, {
          hint: "`hamlet boot status` shows the state",
          exitCode: 3,
        });
      }
      // A power cut during an earlier commit may have left a file under the blessed name.
      const blessed = entryName(own.version);
      const taken = entries.find(({ file }) => file.toLowerCase() === blessed.toLowerCase());
      if (taken) await folder.remove(taken.file);
      await folder.rename(own.file, blessed);
      await record.write(undefined);
    },

    async markBad() {
      const { state, entries, own } = await look();
      if (state.phase === "left") throw leaving(state);
      const slot = state.phase === "trying" ? state.slot : otherSlot(state.slot);
      if (!entries.some((one) => one.slot === otherSlot(slot) && isBlessed(one))) {
        throw noGoodEntry(
          `slot ${otherSlot(slot)} has no kernel that would start by itself`,
          `slot ${slot} stays as it is: it is the only one to start`,
        );
      }
      const doomed = state.phase === "trying" ? [own!] : entries.filter((one) => one.slot === slot);
      for (const one of doomed) {
        // Without a trial nothing needs to be reported later, so remove its kernel before anything else of the slot changes.
        if (state.phase === "settled") await retire(one.file);
        else await condemn(one, slot);
      }
    },

    async earlier() {
      const { state, entries } = await look();
      return findEarlier(state, entries);
    },

    async revert() {
      const { state, entries } = await look();
      checkRevert(state, await findEarlier(state, entries));
      // What a commit that was cut off has left would be read as a failed trial of this slot.
      if (state.phase !== "left" && (await record.read())) await record.write(undefined);
      const own = entries.filter((one) => one.slot === state.slot);
      // The blessed one goes last, and only aside: a later trial of the same release finds it.
      const [last, ...rest] = own.toSorted((a, b) => Number(isBlessed(b)) - Number(isBlessed(a)));
      for (const { file } of rest) await folder.remove(file);
      if (last) await setAside(last);
    },
  };

  async function findEarlier(state: BootState, entries: readonly Entry[]): Promise<Earlier | undefined> {
    if (state.phase !== "settled" && state.phase !== "left") return undefined;
    const found = earlierEntry(entries, state);
    const verity = found && (await folder.about(found.file))?.verity;
    return verity && { slot: found.slot, version: found.version, verity };
  }

  /** Gives a kernel the name of one that was written and not staged yet, which the loader ignores. */
  async function setAside({ file, version }: Entry): Promise<void> {
    const aside = folder.temporaryName(version);
    for (const left of await folder.leftovers()) if (left.file === aside) await folder.remove(aside);
    await folder.rename(file, aside);
  }

  /** Returns the temporary name of the verified kernel. */
  async function prepare(slot: Slot, candidate: Candidate): Promise<string> {
    const { state, entries } = await look();
    checkStage(state, slot, candidate.version, compareVersions(candidate.version, state.version));
    if ((await doors.loaderVariable("LoaderInfo")) === undefined) {
      throw new HamletError("boot.unsupported", "this device was not started by systemd-boot", {
        hint: "restart it from its own disk",
        exitCode: 3,
      });
    }
    if (!entries.some((one) => one.slot === state.slot && isBlessed(one))) {
      throw noGoodEntry(
        `slot ${state.slot}, which runs, has no kernel in the EFI partition that would start by itself`,
        "write the image anew with `hamlet flash`: after a failed trial there would be nothing to go back to",
      );
    }
    const kernel = await checkKernel(folder, entries, state.slot, candidate);
    const left = await folder.leftovers();
    const others = entries.filter((one) => one.slot !== state.slot);
    const ready = others.length === 0 ? await findWritten(folder, left, slot, candidate.version, kernel) : undefined;
    if (ready !== undefined) return ready;
    const bytes = await peekAtKernel(kernel, slot);
    // Remove the other slot's kernels first: from here on it is not started, whatever it contains.
    for (const { file } of others) await retire(file);
    for (const { file } of left) await folder.remove(file);
    return writeKernel(folder, kernel, bytes, candidate.version);
  }

  async function retire(file: string): Promise<void> {
    await folder.disarm(file);
    await folder.remove(file);
  }

  async function condemn(entry: Entry, slot: Slot): Promise<void> {
    await note(slot, entry.version, "bad");
    await folder.disarm(entry.file);
    const bad = entryName(entry.version, 0, entry.triesDone);
    if (bad !== entry.file) await folder.rename(entry.file, bad);
  }
}

/**
 * The kernel of the running slot, if it was never blessed and that of the other slot was: a release that cannot read the loader's
 * variables is on trial all the same.
 */
function unblessed(entries: readonly Entry[], slot: Slot): string | undefined {
  const own = entries.filter((one) => one.slot === slot);
  const hasWayBack = entries.some((one) => one.slot === otherSlot(slot) && isBlessed(one));
  return own.some(isBlessed) || !hasWayBack ? undefined : own.find(({ triesLeft }) => triesLeft !== undefined)?.stem;
}

/** The entry whose tries the loader counts, if any: `\EFI\Linux\hamlet_2+2-1.efi` in UTF-16. */
async function countedPath({ loaderVariable }: SystemdBootDoors): Promise<string | undefined> {
  const value = await loaderVariable("LoaderBootCountPath");
  const file = value?.toString("utf16le").replace(/\0.*$/s, "").split("\\").at(-1);
  return file ? parseEntryName(file)?.stem : undefined;
}
