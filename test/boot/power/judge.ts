// Judges states of a disk without a boot: what the loader starts is a whole kernel with a slot that verifies, there is a way back
// while it is on trial, and nothing that the device had promised is undone.
import { type Choice, chooseStart, type Start } from "./loader.ts";
import type { Numbered } from "./log.ts";
import { type LoggedDisk, openLoggedDisk } from "./logged-disk.ts";
import { type Partitions, type Promises, promisedAt } from "./promises.ts";
import type { Recording } from "./recording.ts";
import { watchBlocks } from "./slot.ts";
import { piecesOf, type StateOfDisk } from "./states.ts";

export type Verdict = {
  state: StateOfDisk;
  index: number;
  choice: Choice | undefined;
  problem: string | undefined;
  ms: number;
};

/** `entries`: the recorded ones, or the log of a worse updater. `look` sees each state that it is asked about. */
export async function judgeStates(
  recording: Recording,
  promises: Promises,
  entries: readonly Numbered[],
  states: readonly StateOfDisk[],
  look: (disk: LoggedDisk, verdict: Verdict) => Promise<void> = async () => {},
): Promise<Verdict[]> {
  const disk = openLoggedDisk(recording.base, recording.log);
  try {
    const judge = judgeOf(disk, promises);
    // The first question reads whole slots.
    await judge(-1);
    const verdicts: Verdict[] = [];
    let done = 0;
    for (const state of states) {
      for (; done <= state.flush; done++) {
        const entry = entries[done]!;
        if (entry.kind === "write") disk.put([entry]);
      }
      const index = entries[state.until - 1]?.index ?? -1;
      const startedAt = performance.now();
      await disk.with(piecesOf(entries, state), async () => {
        const { choice, problem } = await judge(index);
        const verdict = { state, index, choice, problem, ms: performance.now() - startedAt };
        verdicts.push(verdict);
        await look(disk, verdict);
      });
    }
    return verdicts;
  } finally {
    disk.close();
  }
}

function judgeOf(disk: LoggedDisk, promises: Promises) {
  const { partitions, contents, kernelSums, kernels, digests } = promises;
  const watches = new Map<string, () => boolean>();
  const watch = (label: keyof Partitions, rootHash: string, wanted: readonly string[]) => {
    const key = `${label} ${rootHash}`;
    const known = watches.get(key) ?? watchBlocks(disk, digests, partitions[label].offset, wanted);
    watches.set(key, known);
    return known();
  };

  function problemOf({ file, slot, version, rootHash, kernelSha256 }: Start): string | undefined {
    if (kernelSums.get(version) !== kernelSha256) return `${file} is not whole`;
    const content = contents.get(rootHash);
    if (!content) return `${file} names a slot that was never written`;
    if (!watch(`verity-${slot}`, rootHash, content.tree)) return `slot ${slot} has not the tree that ${file} names`;
    return watch(`root-${slot}`, rootHash, content.root) ? undefined : `slot ${slot} does not verify for ${file}`;
  }

  let [isNew, choice]: [boolean, Choice | undefined] = [true, undefined];
  const esp = partitions.esp;
  disk.onChange((offset, length) => {
    isNew ||= offset < esp.offset + esp.length && offset + length > esp.offset;
  });

  return async (index: number): Promise<Pick<Verdict, "choice" | "problem">> => {
    if (isNew) choice = await chooseStart(disk, esp.offset, kernels);
    isNew = false;
    if (!choice) return { choice, problem: "the loader finds nothing to start" };
    const { first, next } = choice;
    return { choice, problem: problemOf(first) ?? wayBack(first, next) ?? broken(first, index) };
  };

  function wayBack(first: Start, next: Start | undefined): string | undefined {
    if (first.triesLeft === undefined) return undefined;
    if (next?.triesLeft !== undefined || !next) return `there is no way back from ${first.file}`;
    return problemOf(next);
  }

  function broken(first: Start, index: number): string | undefined {
    const promised = promisedAt(promises, index);
    return promised.has(first.file)
      ? undefined
      : `${first.file} starts, but ${[...promised].join(" or ")} was promised`;
  }
}
