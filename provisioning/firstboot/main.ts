// Composition root of what runs as root: `node firstboot.mjs [provision file]` at each boot, and `node firstboot.mjs asked` when the agent
// passes on that the owner asks for a reset.
import { uptime } from "node:os";
import { systemClock } from "../../system/clock.ts";
import { run } from "../../system/command.ts";
import { settingOf } from "../../system/environment.ts";
import { describeError } from "../../system/error.ts";
import { makeLog } from "../../system/log.ts";
import { answerAsked } from "./asked.ts";
import { firstBoot } from "./firstboot.ts";
import { pathsUnder } from "./paths.ts";

const log = makeLog("firstboot");
const [, , what] = process.argv;
try {
  if (what === "asked") await answerAsked(pathsUnder("/"), { log, uptimeMs: uptime() * 1000 });
  else {
    const paths = pathsUnder("/", what ?? settingOf(process.env, "HAMLET_PROVISION_FILE"));
    await firstBoot(paths, { run, log, now: systemClock.now() });
  }
} catch (error) {
  log.error(describeError(error));
  process.exitCode = 1;
}
