// An install that was asked for on the device's page: the agent leaves a wish, root's hamlet-install takes it.
import { rm } from "node:fs/promises";
import { z } from "zod";
import { agentOwner } from "../../provisioning/firstboot/firstboot.ts";
import type { Paths } from "../../provisioning/firstboot/paths.ts";
import { giveToAgent } from "../../provisioning/firstboot/settle.ts";
import type { Run } from "../../system/command.ts";
import { describeError, HamletError } from "../../system/error.ts";
import { readJson } from "../../system/files.ts";
import type { InternalDisk } from "./available.ts";

const Wish = z.strictObject({ v: z.literal(1), disk: z.string() });

/**
 * The disk that was named, which must be the one inside this device: the agent is no judge of that. Throws
 * `install.refused`. The wish is gone either way: what is asked once is tried once.
 */
export async function takeWish(
  paths: Pick<Paths, "installWish">,
  find: () => Promise<InternalDisk | undefined>,
): Promise<string> {
  const wish = await readJson(paths.installWish, Wish).catch(() => undefined);
  await rm(paths.installWish, { force: true });
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
  const { code, message, hint } =
    failure instanceof HamletError ? failure : new HamletError("install.failed", describeError(failure));
  const report = { v: 1, code, message, hint: hint ?? "try again: hamlet open, or hamlet install", since: now };
  await giveToAgent(paths.report, report, await agentOwner(paths.passwd));
  // It reads the report when it starts.
  await run(["systemctl", "restart", "hamlet-agent.service"], { timeoutMs: 60_000 });
}
