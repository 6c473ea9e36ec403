// Chooses the states of a disk that a power cut may leave: what was flushed, and a seeded choice of what was not.
// Pure.
import { cutAfter, type Piece } from "../../../image/lab/power/cut.ts";
import { draw, type Random, shuffled } from "../../../system/random.ts";
import type { Numbered } from "./log.ts";

/** `flush`: the last flush, as a position in the list of entries; -1: there was none. Without `seed` nothing came after it. */
export type StateOfDisk = { flush: number; until: number; seed?: number };

export type Quotas = {
  /** Ranges of the log as recorded that get at least half of the states, and one between every two flushes. */
  critical: readonly { from: number; until: number }[];
  /** From here on, a fifth. */
  second: number;
};

/** Writes between two flushes. */
type Window = { flush: number; end: number; isCritical: boolean; isSecond: boolean };

export function chooseStates(entries: readonly Numbered[], quotas: Quotas, count: number, seed: number): StateOfDisk[] {
  const random: Random = { seed };
  const windows = windowsOf(entries, quotas);
  const states: StateOfDisk[] = [];
  let [critical, second] = [0, 0];
  const add = (window: Window, state: StateOfDisk) => {
    states.push(state);
    critical += Number(window.isCritical);
    second += Number(window.isSecond);
  };
  for (const window of windows) add(window, { flush: window.flush, until: window.flush + 1 });
  const open = windows.filter(({ flush, end }) => end > flush + 1);
  const addFrom = (window: Window) => add(window, cutIn(window, random));
  for (const window of open.filter(({ isCritical }) => isCritical)) addFrom(window);
  const fill = (from: Window[], isEnough: () => boolean) => {
    while (from.length > 0) {
      for (const window of shuffled(random, from)) {
        if (isEnough() || states.length >= count) return;
        addFrom(window);
      }
    }
  };
  fill(
    open.filter(({ isCritical }) => isCritical),
    () => critical >= count / 2,
  );
  fill(
    open.filter(({ isSecond }) => isSecond),
    () => second >= count / 5,
  );
  fill(open, () => false);
  // A disk that is read from front to back needs no way back.
  return states.sort((a, b) => a.flush - b.flush || a.until - b.until);
}

function windowsOf(entries: readonly Numbered[], { critical, second }: Quotas): Window[] {
  const flushes = [-1, ...entries.flatMap(({ kind }, position) => (kind === "flush" ? [position] : []))];
  return flushes.map((flush, at) => {
    const end = flushes[at + 1] ?? entries.length;
    const [index, last] = [flush + 1, end].map(
      (position) => entries[Math.min(position, entries.length - 1)]!.index,
    ) as [number, number];
    // Other writes may have been under way when a critical step began.
    const isCritical = critical.some(({ from, until }) => last >= from && index <= until);
    return { flush, end, isCritical, isSecond: index >= second };
  });
}

/** Half of the cuts come when all has been handed over: then most may be lost. */
function cutIn({ flush, end }: Window, random: Random): StateOfDisk {
  const until = draw(random) < 0.5 ? end : flush + 2 + Math.floor(draw(random) * (end - flush - 1));
  return { flush, until, seed: Math.floor(draw(random) * 2 ** 32) };
}

/** What lies over the flushed disk in this state. */
export const piecesOf = (entries: readonly Numbered[], { flush, until, seed }: StateOfDisk): Piece[] =>
  seed === undefined ? [] : cutAfter(entries.slice(flush + 1, until), { seed }).pieces;
