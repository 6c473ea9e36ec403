// The updater's turn on the disk. Nothing else of root's moves, resets or writes slots meanwhile.
import { HamletError } from "../../system/error.ts";
import type { Turn } from "../../system/turn.ts";
import type { UpdaterParts } from "./parts.ts";

export type DiskTurn = {
  /** Keeps it until `end`, or until the device restarts. Throws `update.busy` while it is another program's. */
  take(): Promise<void>;
  /** Takes it unless it is another program's. */
  tryToTake(): Promise<void>;
  end(): Promise<void>;
  /** Throws `update.busy` if the owner has asked root to move or reset this device. */
  refuseBesideOwner(): Promise<void>;
};

export function makeDiskTurn({ takeTurn, device }: UpdaterParts): DiskTurn {
  let turn: Turn | undefined;
  const tryToTake = async () => {
    turn ??= await takeTurn();
  };
  return {
    tryToTake,
    async take() {
      await tryToTake();
      if (turn) return;
      throw new HamletError("update.busy", "the device moves to another disk", {
        hint: "nothing to do: it goes on by itself",
      });
    },
    async end() {
      await turn?.done();
      turn = undefined;
    },
    async refuseBesideOwner() {
      const what = await device.ownerAsked();
      if (what === undefined) return;
      throw new HamletError("update.busy", `the owner has asked for: ${what}`, {
        hint: "it goes on when that is over",
      });
    },
  };
}
