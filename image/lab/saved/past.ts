// The saved state from which a lab resumes, or the reason why not, and where its own state is saved for the next.
import { systemClock } from "../../../system/clock.ts";
import { describeError } from "../../../system/error.ts";
import { type Fit, fitOf } from "./fit.ts";
import { findState, keepState, type SavedState } from "./states.ts";

export type Past = {
  state?: SavedState;
  /** Why an existing state is not used. */
  refused?: string;
  /** Saves the files that `write` puts into a folder; undefined if QEMU cannot save such machines. */
  keep?(write: (folder: string) => Promise<void>): Promise<void>;
};

/** `isFresh`: ignore the existing state, and replace it by this lab's. */
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
