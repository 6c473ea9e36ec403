// The proof that power may go at any moment of an update: thousands of disks that a cut may leave, from the log of a real one.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { examine } from "./examine.ts";
import { judgeStates, type Verdict } from "./judge.ts";
import type { Numbered } from "./log.ts";
import { type Promises, quotasOf, readPromises } from "./promises.ts";
import type { Recording } from "./recording.ts";
import { chooseStates } from "./states.ts";

export type Proof = {
  states: number;
  /** Between the last write to a slot and the end of the verdict on it. */
  critical: number;
  /** Of the bad release. */
  second: number;
  examined: number;
  problems: string[];
  /** The slowest state but one in a hundred. */
  slowMs: number;
};

/** `examined`: how many of the states are looked at as a boot would. */
export async function proveStates(
  recording: Recording,
  { count, seed, examined }: { count: number; seed: number; examined: number },
): Promise<Proof> {
  const promises = await readPromises(recording);
  const { entries } = recording;
  const states = chooseStates(entries, quotasOf(recording, promises), count, seed);
  const folder = await mkdtemp(join(tmpdir(), "hamlet-power-"));
  const problems: string[] = [];
  let [seen, done] = [0, 0];
  try {
    const verdicts = await judgeStates(recording, promises, entries, states, async (disk, verdict) => {
      if (verdict.problem) problems.push(told(verdict, verdict.problem));
      // Spread over all states.
      if (Math.ceil((++seen * examined) / count) <= done) return;
      done++;
      const { problems: more } = await examine(disk, promises, join(folder, "state"));
      problems.push(...more.map((problem) => told(verdict, problem)));
    });
    const { critical, second } = quotasOf(recording, promises);
    const isCritical = ({ index }: Verdict) => critical.some(({ from, until }) => index >= from && index <= until);
    const ms = verdicts.map((one) => one.ms).sort((a, b) => a - b);
    return {
      states: verdicts.length,
      critical: verdicts.filter(isCritical).length,
      second: verdicts.filter(({ index }) => index >= second).length,
      examined: done,
      problems,
      slowMs: ms[Math.floor(ms.length * 0.99)]!,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What is wrong with states of the log of a worse updater, half of them `near` the place where it is worse. */
export async function problemsOf(
  recording: Recording,
  promises: Promises,
  entries: readonly Numbered[],
  near: { from: number; until: number },
): Promise<string[]> {
  const states = chooseStates(entries, { critical: [near], second: Number.POSITIVE_INFINITY }, 1_000, 1);
  const verdicts = await judgeStates(recording, promises, entries, states);
  return verdicts.flatMap((verdict) => (verdict.problem ? [verdict.problem] : []));
}

const told = ({ index, state }: Verdict, problem: string) =>
  `cut after entry ${index}, ${state.seed === undefined ? "all flushed" : `seed ${state.seed}`}: ${problem}`;
