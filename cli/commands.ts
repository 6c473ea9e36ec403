// Every command, in the order in which `hamlet --help` lists them.
import { bootBad } from "./boot-bad.ts";
import { bootCommit } from "./boot-commit.ts";
import { bootStatus } from "./boot-status.ts";
import { bootTry } from "./boot-try.ts";
import type { Command } from "./command.ts";
import { flash } from "./flash.ts";
import { imageBuild } from "./image-build.ts";
import { imageDiff } from "./image-diff.ts";
import { imageInspect } from "./image-inspect.ts";
import { imageLock } from "./image-lock.ts";
import { imagePublish } from "./image-publish.ts";
import { init } from "./init.ts";
import { labConsole } from "./lab-console.ts";
import { labCut } from "./lab-cut.ts";
import { labDown } from "./lab-down.ts";
import { labExec } from "./lab-exec.ts";
import { labHeal } from "./lab-heal.ts";
import { labJoin } from "./lab-join.ts";
import { labPartition } from "./lab-partition.ts";
import { labPower } from "./lab-power.ts";
import { labStatus } from "./lab-status.ts";
import { labUp } from "./lab-up.ts";
import { labWatch } from "./lab-watch.ts";
import { netExplain } from "./net-explain.ts";
import { open } from "./open.ts";
import { provision } from "./provision.ts";
import { rename } from "./rename.ts";
import { reset } from "./reset.ts";
import { status } from "./status.ts";
import { tokenCreate } from "./token-create.ts";

export const commands: Command[] = [
  init,
  imageBuild,
  imageInspect,
  imageDiff,
  imageLock,
  imagePublish,
  provision,
  flash,
  tokenCreate,
  open,
  status,
  netExplain,
  bootStatus,
  bootTry,
  bootCommit,
  bootBad,
  rename,
  reset,
  labUp,
  labWatch,
  labStatus,
  labExec,
  labConsole,
  labJoin,
  labCut,
  labPower,
  labPartition,
  labHeal,
  labDown,
];
