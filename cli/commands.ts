// Every command, in the order in which `hamlet --help` lists them.
import type { Command } from "./command.ts";

export const commands: Command[] = [];
