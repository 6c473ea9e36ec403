// Resets a device to the state in which it was flashed. The owner's request in root's folder is the point of no return: before it nothing
// is lost, and after it every boot finishes what an earlier one began.
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import { takeAskedReset } from "../handover/asked-reset.ts";
import { putFile, removeFile } from "../handover/files.ts";
import { isResetRequested, requestText } from "../handover/requests.ts";
import { forgetDevice } from "./forget.ts";
import { setKernelHostname } from "./machine.ts";
import type { Paths } from "./paths.ts";

/** Makes a request of the owner's question that the agent has handed on, if it proves itself: the unit that watches requests restarts. */
export async function requestIfAsked(paths: Paths, log: Log): Promise<void> {
  try {
    const files = { asked: paths.askedReset, owner: paths.owner, identity: paths.identity };
    if (!(await takeAskedReset(files))) return;
    log.info("the owner asks to reset this device");
    await putFile(paths.resetRequest, requestText.reset());
  } catch (error) {
    log.warn(`a reset that was asked for: ${describeError(error)}`);
  }
}

/** True if a reset was requested, and is done. Throws `handover.refused` for a request that is not root's. */
export async function resetIfRequested(paths: Paths): Promise<boolean> {
  if (!(await isResetRequested(paths.resetRequest))) return false;
  await forgetDevice(paths, [paths.resetRequest]);
  // The initrd gives this name to a device that has none.
  await setKernelHostname(paths, "hamlet").catch(() => {});
  await removeFile(paths.resetRequest);
  return true;
}
