// Composition root of the one-shot that runs as root: `node firstboot.mjs [provision file]`.

import { systemClock } from "../../system/clock.ts";
import { run } from "../../system/command.ts";
import { settingOf } from "../../system/environment.ts";
import { describeError } from "../../system/error.ts";
import { makeLog } from "../../system/log.ts";
import { firstBoot } from "./firstboot.ts";
import { pathsUnder } from "./paths.ts";

const log = makeLog("firstboot");
const paths = pathsUnder("/", process.argv[2] ?? settingOf(process.env, "HAMLET_PROVISION_FILE"));
try {
  await firstBoot(paths, { run, log, now: systemClock.now() });
} catch (error) {
  log.error(describeError(error));
  process.exitCode = 1;
}
