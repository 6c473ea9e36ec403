// Every command, in the order in which `hamlet --help` lists them.
import type { Command } from "./command.ts";
import { init } from "./init.ts";
import { tokenCreate } from "./token-create.ts";

export const commands: Command[] = [init, tokenCreate];
