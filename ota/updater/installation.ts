// The installation under way: writes a release into the other slot, then arms its trial and restarts into it.

import type { DiskTurn } from "./disk-turn.ts";
import { type Installed, install } from "./install.ts";
import type { UpdaterParts } from "./parts.ts";
import type { Progress } from "./progress.ts";
import type { Knowledge } from "./report.ts";
import type { Found } from "./search.ts";
import type { Armed } from "./state.ts";
import type { Teller } from "./teller.ts";

export type Installation = {
  write(found: Found): Promise<void>;
  /** Whether the last `write` came further than any before it with this release. */
  hasAdvanced(): boolean;
  /** After `write`. */
  restart(): Promise<void>;
};

export function makeInstallation(parts: UpdaterParts, known: Knowledge, teller: Teller, turn: DiskTurn): Installation {
  const { control, device, clock, log } = parts;
  let written: { found: Found; installed: Installed } | undefined;
  let furthest = { release: "", doneBytes: 0 };
  let hasAdvanced = false;

  function onProgress(progress: Progress): void | Promise<void> {
    const isFirst = known.progress === undefined;
    known.progress = progress;
    // What the update may cost is up to the agent, which has to know the forecast.
    if (isFirst) return teller.now();
    if (progress.phase === "writing" && progress.doneBytes > furthest.doneBytes) {
      furthest.doneBytes = progress.doneBytes;
      hasAdvanced = true;
    }
    teller.progress();
  }

  return {
    hasAdvanced: () => hasAdvanced,
    async write(found) {
      hasAdvanced = false;
      known.progress = undefined;
      await turn.refuseBesideOwner();
      await turn.take();
      const release = found.manifest.version;
      if (furthest.release !== release) furthest = { release, doneBytes: 0 };
      known.earlier = undefined;
      const { disk, sleep, random } = parts;
      const { rootHash, diskSignature } = device;
      const doors = { control, ...disk, rootHash, diskSignature, sleep, random, door: found.door };
      written = { found, installed: await install(found.manifest, doors, onProgress) };
    },
    async restart() {
      await turn.refuseBesideOwner();
      const { found, installed } = written!;
      const { slot, candidate } = installed;
      const evidence = await parts.door.evidence();
      const armed: Armed = {
        from: known.running,
        to: { slot, version: candidate.version },
        rootHash: found.manifest.verity.rootHash,
        bootId: device.bootId,
        atMs: Math.max(0, clock.now()),
        failedUnits: await device.failedUnits(),
        alive: evidence.alive.slice(0, 64),
        hadMesh: evidence.hasMesh,
        hadTelemetry: evidence.telemetry === "up",
        ...(evidence.verdictSeconds !== undefined && { verdictSeconds: evidence.verdictSeconds }),
      };
      await parts.state.write("armed.json", armed);
      await control.stage(slot, candidate);
      log.info(`restarting into release ${candidate.version}`);
      await control.reboot();
    },
  };
}
