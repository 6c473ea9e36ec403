// The way back to the release in the other slot, which ran before and which somebody asked for.
import { describeError, HamletError } from "../../system/error.ts";
import { endOfReturn, type Return, withEnd } from "./conclude.ts";
import type { DiskTurn } from "./disk-turn.ts";
import { verifyEarlier } from "./earlier.ts";
import type { History } from "./history.ts";
import type { UpdaterParts } from "./parts.ts";
import type { Knowledge } from "./report.ts";
import type { Teller } from "./teller.ts";

export type WayBack = {
  /** Finds out which release the other slot has. */
  look(): Promise<void>;
  go(): Promise<void>;
  /** Acts on what became of the last request. Returns whether this boot goes on as usual. */
  conclude(past: Return): Promise<boolean>;
};

export function makeWayBack(
  { control, device, disk, state, clock, log }: UpdaterParts,
  known: Knowledge,
  teller: Teller,
  turn: DiskTurn,
  history: History,
): WayBack {
  async function look(): Promise<void> {
    const earlier = await control.earlier().catch((error: unknown) => log.debug(describeError(error)));
    known.earlier = earlier?.version;
  }
  return {
    look,
    async go() {
      if (device.isDataLost) throw dataLost();
      await turn.refuseBesideOwner();
      await turn.take();
      await look();
      const to = await verifyEarlier(control, disk.openPart, (progress) => {
        known.progress = progress;
        teller.progress();
      }).catch((error: unknown) => {
        known.earlier = undefined;
        throw error;
      });
      const { slot, version } = to;
      known.life = { phase: "returning", to: version };
      void teller.now();
      const atMs = Math.max(0, clock.now());
      await state.write("leaving.json", { from: known.running, to: { slot, version }, atMs });
      await control.revert();
      log.info(`going back to release ${version}`);
      await control.reboot();
    },
    async conclude(past) {
      switch (past.kind) {
        case "none":
          return true;
        case "restart":
          await control.reboot();
          return false;
        case "arrived":
          await history.change((ends) => withEnd(ends, endOfReturn(past.leaving)));
          await state.write("leaving.json", undefined);
          return true;
        case "notDone":
          await state.write("leaving.json", undefined);
          return true;
      }
    },
  };
}

const dataLost = () =>
  new HamletError("update.dataLost", "the data partition could not be mounted", {
    hint: "restart the device",
    exitCode: 3,
  });
