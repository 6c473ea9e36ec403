// Commands for a device's own units. People have no use for them, so they are in no help, completion or reference.
import type { Command } from "../terminal/command.ts";

export const unitCommands: Record<string, () => Promise<Command>> = {
  "unit begin-trial": async () => (await import("./boot/begin-trial.ts")).beginTrial,
  "unit end-trial": async () => (await import("./boot/end-trial.ts")).endTrial,
  "unit install": async () => (await import("./device/install.ts")).installAsRequested,
};
