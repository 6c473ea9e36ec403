// Every command, in the order in which `hamlet --help` lists them.
import type { Command } from "./command.ts";
import { imageBuild } from "./image-build.ts";
import { imageInspect } from "./image-inspect.ts";
import { init } from "./init.ts";
import { netExplain } from "./net-explain.ts";
import { open } from "./open.ts";
import { provision } from "./provision.ts";
import { status } from "./status.ts";
import { tokenCreate } from "./token-create.ts";

export const commands: Command[] = [init, imageBuild, imageInspect, provision, tokenCreate, open, status, netExplain];
