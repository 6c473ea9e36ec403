// An install that was asked for on the device's page: `hamlet open`, which is root there, leaves a wish; hamlet-install takes it.
import { z } from "zod";
import { agentOwner } from "../../provisioning/firstboot/machine.ts";
import type { Paths } from "../../provisioning/firstboot/paths.ts";
import { troubleOf } from "../../provisioning/firstboot/troubles.ts";
import { giveJson, readWish, removeFile } from "../../provisioning/handover/files.ts";
import type { Run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import type { InternalDisk } from "./available.ts";

const Wish = z.strictObject({ v: z.literal(1), disk: z.string() });

/**
 * The disk that was named, which must be the one inside this device: who asked is no judge of that. Throws
 * `install.refused`. The wish is gone either way: what is asked once is tried once.
 */
export async function takeWish(
  paths: Pick<Paths, "installWish">,
  find: () => Promise<InternalDisk | undefined>,
): Promise<string> {
  const wish = await readWish(paths.installWish, Wish).catch(() => undefined);
  await removeFile(paths.installWish);
  const disk = await find();
  if (wish && disk?.path === wish.disk) return wish.disk;
  throw new HamletError("install.refused", `${wish?.disk ?? "nothing"} is no disk inside this device to move to`, {
    hint: "`hamlet install --list` on the device shows its disks",
    exitCode: 3,
  });
}

/** Where whoever asked will look: the agent shows it as a warning, on page, console and card. */
export async function tellFailure(
  paths: Pick<Paths, "report" | "passwd">,
  failure: unknown,
  run: Run,
  now: number,
): Promise<void> {
  const trouble = troubleOf(failure, now, "install.failed");
  const hasHint = failure instanceof HamletError && failure.hint !== undefined;
  const hint = hasHint ? trouble.hint : "try again: hamlet open, or hamlet install";
  await giveJson(paths.report, { v: 1, ...trouble, hint }, await agentOwner(paths.passwd));
  // It reads the report when it starts.
  await run(["systemctl", "restart", "hamlet-agent.service"], { timeoutMs: 60_000 });
}
