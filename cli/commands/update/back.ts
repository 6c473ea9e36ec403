// `update back`: returns to the release in the other slot, which ran before.
import type { Status, UpdateStatus } from "../../../agent/api/schema.ts";
import { HamletError } from "../../../system/error.ts";
import type { Command } from "../../terminal/command.ts";
import { confirm, type Terminal } from "../../terminal/confirm.ts";
import { findDeviceForRequests } from "../../terminal/device.ts";
import { jsonLines } from "../../terminal/output.ts";
import { whereItWorks } from "../device/owned.ts";
import { awaitReturn, updateOf } from "./follow.ts";
import { followFor } from "./follow-json.ts";
import { requestOptions, watchOption } from "./request.ts";

export const updateBack: Command = {
  usage: "update back [--yes] [--watch] [--json]",
  summary: "return to the release that ran before",
  example: "hamlet update back --device attic --watch",
  details: `
The other slot still has it, until the next update begins to write there. The device verifies it, and restarts into it.
What it leaves counts as failed: it is installed again only by \`hamlet update retry\`, or when a newer release is there.
${whereItWorks}`,
  options: {
    ...requestOptions,
    ...watchOption,
    yes: { type: "boolean", short: "y", describe: "do not ask" },
  },
  async run({ values }, context) {
    const device = await findDeviceForRequests(values);
    try {
      const status = await device.status();
      const before = updateOf(status);
      const earlier = earlierOf(status, before);
      if (!values["yes"]) await confirmReturn(status, before, earlier);
      await device.request("/v1/update", { kind: "back" });
      if (values["watch"]) return await followFor(values, device, before, context);
      await awaitReturn(device, earlier, context);
      context.progress.end();
      const { name } = status.self;
      if (values["json"]) context.print(...jsonLines({ device: name, from: before.running.version, to: earlier }));
      else context.print(`${name} goes back from ${before.running.version} to ${earlier}`);
      return 0;
    } finally {
      device.close();
    }
  },
};

/** Throws `update.nothingBack`. The device judges once more. */
function earlierOf({ self }: Status, { earlier, running }: UpdateStatus): string {
  if (earlier !== undefined) return earlier;
  throw new HamletError("update.nothingBack", `${self.name} has no release before ${running.version}`, {
    hint: "its other slot is empty, failed its trial, or is being written; see: hamlet update history",
    exitCode: 3,
  });
}

/** Throws what `confirm` throws. Exported for its test. */
export async function confirmReturn(
  { self: { name } }: Status,
  { running: { version } }: UpdateStatus,
  earlier: string,
  terminal?: Terminal,
): Promise<void> {
  const lost = `${name} will leave ${version}, which then counts as failed, and restart into ${earlier}.`;
  const wanted = { lost, question: "Go back? Type its name", answer: name, otherwise: `${name} stays on ${version}` };
  await confirm(updateBack, wanted, terminal);
}
