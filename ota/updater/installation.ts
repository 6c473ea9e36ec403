// The installation under way: writes a release into the other slot, then arms its trial and restarts into it.

import { otherSlot } from "../../image/boot/boot-control.ts";
import { describeError, HamletError } from "../../system/error.ts";
import type { Manifest } from "../format/manifest.ts";
import type { DiskTurn } from "./disk-turn.ts";
import { type Installed, install } from "./install.ts";
import type { UpdaterParts } from "./parts.ts";
import { candidateOf, verifyPrepared } from "./prepared.ts";
import type { Progress } from "./progress.ts";
import type { Knowledge } from "./report.ts";
import { type Found, learnRoot } from "./search.ts";
import { type Armed, forgetPrepared } from "./state.ts";
import type { Teller } from "./teller.ts";
import { askNow, witnessesIn } from "./witnesses.ts";

export type Installation = {
  write(found: Found): Promise<void>;
  /** Whether the last `write` came further than any before it with this release. */
  hasAdvanced(): boolean;
  /** After `write`: it waits to be started, over restarts too. */
  keepReady(): Promise<void>;
  /** Takes up what an earlier updater made ready, once it is verified in this boot. Throws `update.verifyFailed`. */
  verify(): Promise<void>;
  /** After `write` or `verify`, or what `verify` needs not do because it was verified in this boot. */
  restart(): Promise<void>;
};

export function makeInstallation(parts: UpdaterParts, known: Knowledge, teller: Teller, turn: DiskTurn): Installation {
  const { control, device, clock, log } = parts;
  let ready: { manifest: Manifest; installed: Installed } | undefined;
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

  async function idly<T>(task: () => Promise<T>): Promise<T> {
    const giveWay = (is: boolean) => device.giveWay(is).catch((error) => log.debug(describeError(error)));
    await giveWay(true);
    return task().finally(() => giveWay(false));
  }

  async function readPrepared() {
    const prepared = await parts.state.read("prepared.json");
    if (!prepared) throw new HamletError("update.verifyFailed", "the record of what is ready is lost");
    const { manifest } = prepared;
    learnRoot(known, manifest);
    const slot = otherSlot(known.running.slot);
    return { manifest, installed: { slot, candidate: candidateOf(manifest, slot, device) } };
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
      ready = undefined;
      await forgetPrepared(parts.state);
      const { disk, sleep, random } = parts;
      const { rootHash, diskSignature } = device;
      const doors = { control, ...disk, rootHash, diskSignature, sleep, random, door: found.door };
      ready = { manifest: found.manifest, installed: await idly(() => install(found.manifest, doors, onProgress)) };
    },
    async keepReady() {
      await parts.state.write("prepared.json", { manifest: ready!.manifest, bootId: device.bootId });
      await turn.end();
    },
    async verify() {
      await turn.refuseBesideOwner();
      await turn.take();
      ready = await readPrepared();
      const { manifest, installed } = ready;
      const doors = { control, openPart: parts.disk.openPart, diskSignature: device.diskSignature };
      await idly(() => verifyPrepared(manifest, installed.slot, doors, onProgress));
      await this.keepReady();
    },
    async restart() {
      await turn.refuseBesideOwner();
      await turn.take();
      ready ??= await readPrepared();
      const { manifest, installed } = ready;
      const { slot, candidate } = installed;
      const question = askNow(parts);
      const evidence = await parts.door.evidence({ witness: { nonce: question.nonce } });
      const witnesses = witnessesIn(evidence, question);
      const armed: Armed = {
        from: known.running,
        to: { slot, version: candidate.version },
        rootHash: manifest.verity.rootHash,
        bootId: device.bootId,
        atMs: Math.max(0, clock.now()),
        failedUnits: await device.failedUnits(),
        alive: evidence.alive.slice(0, 64),
        hadMesh: evidence.hasMesh,
        hadTelemetry: evidence.telemetry === "up",
        ...(witnesses && { witnesses }),
        ...(evidence.verdictSeconds !== undefined && { verdictSeconds: evidence.verdictSeconds }),
      };
      // Those of an earlier release in this slot.
      await parts.marks.forgetPanics(slot);
      await parts.state.write("armed.json", armed);
      await parts.state.write("handMade.json", undefined);
      await control.stage(slot, candidate);
      log.info(`restarting into release ${candidate.version}`);
      await control.reboot();
    },
  };
}
