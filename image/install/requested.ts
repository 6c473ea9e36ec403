// An install that was requested on the device's page: `hamlet open`, as root on the device, leaves a request in
// root's folder for hamlet-install.

import { agentOwner } from "../../provisioning/firstboot/machine.ts";
import type { Paths } from "../../provisioning/firstboot/paths.ts";
import { giveProblems, problemOf } from "../../provisioning/handover/problems.ts";
import { takeInstallRequest } from "../../provisioning/handover/requests.ts";
import type { Run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import type { InternalDisk } from "./available.ts";

/**
 * The disk that the request names, if it is the one inside this device. Throws `install.refused`. Removes the request in any case, so
 * that it is tried once.
 */
export async function takeRequestedDisk(
  paths: Pick<Paths, "installRequest">,
  find: () => Promise<InternalDisk | undefined>,
): Promise<string> {
  const asked = await takeInstallRequest(paths.installRequest);
  const disk = await find();
  if (asked !== undefined && disk?.path === asked) return asked;
  throw new HamletError("install.refused", `${asked ?? "nothing"} is not a disk inside this device`, {
    hint: "`hamlet install --list` on the device shows its disks",
    exitCode: 3,
  });
}

/** Reports the outcome where the person looks: the agent shows it as a warning on page, console and card. */
export async function tellFailure(
  paths: Pick<Paths, "problems" | "passwd">,
  failure: unknown,
  run: Run,
  now: number,
): Promise<void> {
  const problem = problemOf(failure, now, "install.failed");
  const hasHint = failure instanceof HamletError && failure.hint !== undefined;
  const hint = hasHint ? problem.hint : "try again: hamlet open, or hamlet install";
  await giveProblems(paths.problems, [{ ...problem, hint }], await agentOwner(paths.passwd));
  // The agent reads the report when it starts.
  await run(["systemctl", "restart", "hamlet-agent.service"], { timeoutMs: 60_000 });
}
