// Refuses a command that only root may run.
import { HamletError } from "../../../system/error.ts";

/** `may` completes "only root may". Throws `device.needsRoot` (exit code 2). */
export function requireRoot(may: string, userId = process.getuid?.()): void {
  if (userId === 0) return;
  throw new HamletError("device.needsRoot", `only root may ${may}`, {
    hint: "run it as root on the device: ssh root@<device>",
    exitCode: 2,
  });
}
