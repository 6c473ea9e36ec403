// Composition root of what runs as root: `node firstboot.mjs [provision file]` at each boot, and `node firstboot.mjs asked` when the agent
// hands a reset on that the owner asked for.

import { systemClock } from "../../system/clock.ts";
import { run } from "../../system/command.ts";
import { settingOf } from "../../system/environment.ts";
import { describeError } from "../../system/error.ts";
import { makeLog } from "../../system/log.ts";
import { firstBoot } from "./firstboot.ts";
import { pathsUnder } from "./paths.ts";
import { requestIfAsked } from "./reset.ts";

const log = makeLog("firstboot");
const [, , what] = process.argv;
try {
  if (what === "asked") await requestIfAsked(pathsUnder("/"), log);
  else {
    const paths = pathsUnder("/", what ?? settingOf(process.env, "HAMLET_PROVISION_FILE"));
    await firstBoot(paths, { run, log, now: systemClock.now() });
  }
} catch (error) {
  log.error(describeError(error));
  process.exitCode = 1;
}
