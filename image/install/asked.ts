// An install that was asked for on the device's page: `hamlet open`, which is root there, leaves a request in root's folder; hamlet-install takes it.
import { agentOwner } from "../../provisioning/firstboot/machine.ts";
import type { Paths } from "../../provisioning/firstboot/paths.ts";
import { giveProblems, problemOf } from "../../provisioning/handover/problems.ts";
import { takeInstallRequest } from "../../provisioning/handover/requests.ts";
import type { Run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import type { InternalDisk } from "./available.ts";

/**
 * The disk that was named, which must be the one inside this device: who asked is no judge of that. Throws
 * `install.refused`. The request is gone either way: what is asked once is tried once.
 */
export async function takeRequestedDisk(
  paths: Pick<Paths, "installRequest">,
  find: () => Promise<InternalDisk | undefined>,
): Promise<string> {
  const asked = await takeInstallRequest(paths.installRequest);
  const disk = await find();
  if (asked !== undefined && disk?.path === asked) return asked;
  throw new HamletError("install.refused", `${asked ?? "nothing"} is no disk inside this device to move to`, {
    hint: "`hamlet install --list` on the device shows its disks",
    exitCode: 3,
  });
}

/** Where whoever asked will look: the agent shows it as a warning, on page, console and card. */
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
  // It reads the report when it starts.
  await run(["systemctl", "restart", "hamlet-agent.service"], { timeoutMs: 60_000 });
}
