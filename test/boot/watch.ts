// Watches from a peer whether a device can be reached: by ping through the mesh, and by its page.
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../eventually.ts";
import { slowness } from "../speed.ts";
import type { Peer } from "./peer.ts";

/** What was seen of a device in a part of the watch, up to its first restart there. */
export type Seen = { answered: number; lost: number; pages: number; pageFailures: string[] };
export type Watch = AsyncDisposable & {
  /** A place to begin from: a ping has been answered by then. */
  now(): Promise<number>;
  /**
   * From `place` to now. `bootedMs`: when the system that runs now was started, if that was since; the pings that are lost until it
   * answers are the restart's.
   */
  since(place: number, bootedMs?: number): Promise<Seen>;
};

type Answer = { sequence: number; atMs: number };
type Page = { endedMs: number; failure?: string };

/** Each page takes an emulated device a good part of a second, which the updater then lacks. */
const pageEveryMs = 3_000;
/** A loaded computer lets an emulated device wait. */
const pageWithinMs = 30_000;
/** From the stop of the page to that of the kernel. */
const stopsWithinMs = 15_000 * slowness();

/** `address` is the device's in the mesh. */
export async function watchDevice(peer: Peer, { address, page }: { address: string; page: string }): Promise<Watch> {
  const ping = peer.spawn(["ping", "-D", "-n", "-i", "0.5", address]);
  const over = new AbortController();
  const pages: Page[] = [];
  const looking = (async () => {
    while (!over.signal.aborted) {
      const failure = await lookAt(page);
      pages.push({ endedMs: Date.now(), ...(failure !== undefined && { failure }) });
      await sleep(pageEveryMs);
    }
  })();
  const answers = (): Answer[] =>
    [...ping.output().matchAll(/^\[(\d+\.\d+)\] \d+ bytes from .*icmp_seq=(\d+)/gm)].map(([, seconds, sequence]) => ({
      sequence: Number(sequence),
      atMs: Number(seconds) * 1_000,
    }));
  const now = async () => {
    const before = answers().length;
    await eventually(() => answers().length > before, { within: 60_000 });
    return answers().at(-1)!.atMs;
  };
  await now();
  return {
    now,
    async since(place, bootedMs = Number.POSITIVE_INFINITY) {
      const until = await now();
      const { answered, lost, lastMs } = countLosses(
        answers().filter(({ atMs }) => atMs >= place && atMs <= until),
        bootedMs,
      );
      const seen = beforeStop(
        pages.filter(({ endedMs }) => endedMs >= place && endedMs <= lastMs),
        lastMs,
      );
      return { answered, lost, pages: seen.length, pageFailures: seen.flatMap(({ failure }) => failure ?? []) };
    },
    async [Symbol.asyncDispose]() {
      over.abort();
      await ping.kill("SIGKILL");
      await looking;
    },
  };
}

/**
 * Pure. A device that restarts stops its page first, while its kernel still answers pings: failures that no page follows are the restart's.
 * `lastMs`: of the last ping before it.
 */
export function beforeStop(pages: readonly Page[], lastMs: number): readonly Page[] {
  const last = pages.findLastIndex(({ failure }) => failure === undefined);
  return pages.filter(({ endedMs }, index) => index <= last || endedMs < lastMs - stopsWithinMs);
}

/** Pure. `lastMs`: of the last answer before the restart. */
export function countLosses(answers: readonly Answer[], bootedMs: number) {
  let [lost, answered, last] = [0, 0, answers[0]];
  for (const answer of answers) {
    const missing = answer.sequence - last!.sequence - 1;
    if (missing > 0 && answer.atMs > bootedMs) break;
    lost += Math.max(0, missing);
    answered++;
    last = answer;
  }
  return { answered, lost, lastMs: last?.atMs ?? 0 };
}

async function lookAt(page: string): Promise<string | undefined> {
  try {
    const answer = await fetch(page, { signal: AbortSignal.timeout(pageWithinMs) });
    await answer.text();
    return answer.ok ? undefined : `status ${answer.status}`;
  } catch (error) {
    return String(error);
  }
}
