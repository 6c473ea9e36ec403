// Shared by the `boot` commands, which act on the device that they run on and need root.
import type { BootControl, BootState } from "../../../image/boot/boot-control.ts";
import { openBootControl } from "../../../image/boot/device.ts";
import { run } from "../../../system/command.ts";
import type { Option, Values } from "../../terminal/command.ts";
import { requireRoot } from "../device/root.ts";

/** Throws `device.needsRoot`, or `boot.unsupported` on a computer that is not a device. */
export async function ownBootControl({ userId = process.getuid?.(), root = "/" } = {}): Promise<BootControl> {
  const control = await openBootControl(run, root);
  requireRoot("read or change what the boot loader starts", userId);
  return control;
}

export const jsonOption: Record<string, Option> = { json: { type: "boolean", describe: "print it as JSON" } };

/** As every `boot` command prints it. */
export const bootLines = (state: BootState, values: Values): string[] =>
  values["json"] ? [JSON.stringify(state)] : describeBoot(state);

const starts = (count: number) => (count === 1 ? "1 start" : `${count} starts`);

/** Describes the running slot, the next start and the result of the last trial. */
export function describeBoot(state: BootState): string[] {
  const running = `slot ${state.slot}, version ${state.version}`;
  switch (state.phase) {
    case "settled":
      return [`running     ${running}`, "next start  the same"];
    case "armed": {
      const { slot, version } = state.trial;
      return [
        `running     ${running}`,
        `next start  slot ${slot}, version ${version}, on trial (${starts(state.triesLeft)})`,
      ];
    }
    case "trying": {
      const judged = state.isMarkedBad ? "marked bad: restart to go back" : "on trial, no verdict yet";
      const again =
        state.isMarkedBad || state.triesLeft === 0
          ? "the other slot"
          : `this trial again (${starts(state.triesLeft)} left)`;
      return [
        `running     ${running}, ${judged}`,
        `next start  ${again}${state.isMarkedBad ? "" : ", unless committed"}`,
      ];
    }
    case "left": {
      const { slot, version } = state.next;
      return [`running     ${running}`, `next start  slot ${slot}, version ${version}, from then on`];
    }
    case "reverted": {
      const { slot, version } = state.trial;
      return [
        `running     ${running}`,
        "next start  the same",
        `last trial  slot ${slot}, version ${version}: ${reasons[state.because]}`,
      ];
    }
  }
}

const reasons = {
  neverBooted: "it never came up",
  triesUsedUp: "it used up its starts and nobody committed it",
  markedBad: "it was marked bad",
} as const;
