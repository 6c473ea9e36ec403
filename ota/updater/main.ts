// Composition root of root's updater: `node updater.mjs`.
import { randomBytes } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { uptime } from "node:os";
import { join } from "node:path";
import { openBootControl } from "../../image/boot/device.ts";
import { startMarksIn } from "../../image/boot/start-marks.ts";
import { updateFiles } from "../../provisioning/file/update-source.ts";
import { pathsUnder } from "../../provisioning/firstboot/paths.ts";
import { takeUpdateRequest } from "../../provisioning/handover/requests.ts";
import { sleep } from "../../system/clock.ts";
import { run } from "../../system/command.ts";
import { agentSocket } from "../../system/doors.ts";
import { describeError, errnoOf } from "../../system/error.ts";
import { makeLog } from "../../system/log.ts";
import { slotsTurn, takeTurn } from "../../system/turn.ts";
import { openAgentDoor } from "./agent-door.ts";
import { readDevice } from "./device.ts";
import { findNewest } from "./metadata.ts";
import { openOldRelease } from "./old-release.ts";
import { openSlotPart } from "./slot-part.ts";
import { stateIn } from "./state.ts";
import { deadlineIn } from "./trial-deadline.ts";
import { makeUpdater } from "./updater.ts";

const log = makeLog("updater");
const disk = "/run/hamlet-disk";
const { updateFolder: folder, systemFolder, releaseRoot, updateRequest } = pathsUnder("/");
/** Of the computer, not of this process: a restarted updater goes on with the same trial. */
const clock = { now: Date.now, monotonic: () => uptime() * 1000 };
const hourMs = 60 * 60_000;

try {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const device = await readDevice(run);
  const updater = await makeUpdater({
    control: await openBootControl(run),
    door: openAgentDoor(agentSocket),
    state: stateIn(folder),
    device,
    marks: startMarksIn(systemFolder),
    disk: {
      openPart: (label) => openSlotPart(join(disk, label), "/sys"),
      openOld: (slot) => openOldRelease(disk, "/efi/EFI/Linux", slot),
    },
    findNewest,
    firstRoot: await readFile(releaseRoot).catch((error: unknown) => {
      if (errnoOf(error) === "ENOENT") return readFile(`/usr/lib/hamlet/${updateFiles.releaseRoot}`);
      throw error;
    }),
    clock,
    log,
    random: Math.random,
    nonce: () => randomBytes(16).toString("base64url"),
    sleep,
    takeTurn: () => takeTurn(slotsTurn),
    workIn: "/tmp",
    pace: { firstCheckMs: hourMs / 6, checkEveryMs: 6 * hourMs },
    namedFolder: () => takeUpdateRequest(updateRequest),
    trialDeadlineMs: (verdictMs) => deadlineIn("/run/hamlet-updater", device.bootId, clock.monotonic(), verdictMs),
  });
  await updater.run(new AbortController().signal);
} catch (error) {
  log.error(describeError(error));
  // A long poll may be open still, and systemd starts it again.
  process.exit(1);
}
