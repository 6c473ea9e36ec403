// What an earlier lab left for one like it: the state it goes on from, or why not, and where its own is kept for the next.
import { systemClock } from "../../../system/clock.ts";
import { describeError } from "../../../system/error.ts";
import { type Fit, fitOf } from "./fit.ts";
import { findState, keepState, type SavedState } from "./states.ts";

export type Past = {
  state?: SavedState;
  /** Why a state that is there is not used. */
  refused?: string;
  /** Keeps what `write` puts into a folder; undefined where QEMU can save no such machines. */
  keep?(write: (folder: string) => Promise<void>): Promise<void>;
};

/** `isFresh`: the state that is there is not used, and gives way to the one that is kept. */
export async function findPast(states: { folder: string; isFresh: boolean }, machines: Fit): Promise<Past> {
  const fit = await fitOf(machines);
  if (fit === undefined) return {};
  const keep: Past["keep"] = (write) => keepState(states.folder, fit, systemClock.now(), write);
  if (states.isFresh) return { keep };
  try {
    const state = await findState(states.folder, fit, systemClock.now());
    return { keep, ...(state && { state }) };
  } catch (error) {
    return { keep, refused: describeError(error) };
  }
}
