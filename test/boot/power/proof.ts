// The proof that power may go at any moment of an update: thousands of disks that a cut may leave, from the log of a real one.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openExaminer } from "./examine.ts";
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
  /** From those the updater recovered. */
  recovered: number;
  /** Of those the file systems were checked. */
  checked: number;
  problems: string[];
  /** The slowest state but one in a hundred. */
  slowMs: number;
};

/** Recoveries that run beside each other: they mostly wait. */
const atOnce = 4;

/** From `recovered` of the states the updater recovers, and of `checked` of those the file systems are checked. */
export async function proveStates(
  recording: Recording,
  { count, seed, recovered, checked }: { count: number; seed: number; recovered: number; checked: number },
): Promise<Proof> {
  const promises = await readPromises(recording);
  const { entries } = recording;
  const states = chooseStates(entries, quotasOf(recording, promises), count, seed);
  const folder = await mkdtemp(join(tmpdir(), "hamlet-power-"));
  const examiner = openExaminer(promises, folder);
  const problems: string[] = [];
  const [isRecovered, isChecked] = [spread(recovered, count), spread(checked, recovered)];
  const done = { recovered: 0, checked: 0 };
  const running = new Set<Promise<void>>();
  try {
    const verdicts = await judgeStates(recording, promises, entries, states, async (disk, verdict) => {
      if (verdict.problem) problems.push(told(verdict, verdict.problem));
      if (!isRecovered()) return;
      const taken = { isChecked: isChecked() };
      done.recovered++;
      done.checked += Number(taken.isChecked);
      if (running.size >= atOnce) await Promise.race(running);
      const find = await examiner.take(disk, taken);
      const one = find().then((more) => void problems.push(...more.map((problem) => told(verdict, problem))));
      const over = one.finally(() => void running.delete(over));
      running.add(over);
    });
    await Promise.all(running);
    const { critical, second } = quotasOf(recording, promises);
    const isCritical = ({ index }: Verdict) => critical.some(({ from, until }) => index >= from && index <= until);
    const ms = verdicts.map((one) => one.ms).sort((a, b) => a - b);
    return {
      states: verdicts.length,
      critical: verdicts.filter(isCritical).length,
      second: verdicts.filter(({ index }) => index >= second).length,
      ...done,
      problems,
      slowMs: ms[Math.floor(ms.length * 0.99)]!,
    };
  } finally {
    await Promise.allSettled(running);
    examiner.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Answers yes `wanted` times in `count` questions, evenly. */
function spread(wanted: number, count: number): () => boolean {
  let [asked, yes] = [0, 0];
  return () => {
    if (Math.ceil((++asked * wanted) / count) <= yes) return false;
    yes++;
    return true;
  };
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
