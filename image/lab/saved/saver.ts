// Decides when a lab is saved: once, as soon as all devices see each other, and only if nothing was done to them before.
import { describeError } from "../../../system/error.ts";
import type { Log } from "../../../system/log.ts";
import type { LabStart, LabStatus } from "../supervisor/status.ts";
import { isUp, isWhole } from "../supervisor/whole.ts";

type Phase = Pick<LabStart, "saving" | "problem">;
type Saver = {
  phase(): Phase;
  /** Takes the current status of the devices. */
  see(status: Pick<LabStatus, "devices">, nowS: number): void;
  /** Nothing needs saving: the lab resumed from a state. */
  rest(): void;
  /** Resolves when nothing is being written. */
  over(): Promise<void>;
  /** Records that something was done with the lab. */
  touch(what: string): void;
};

/** On an idle computer, live devices hear from all others within ten seconds. */
const patienceS = 300;

/** Without `save`, never saves. */
export function makeSaver(save: (() => Promise<void>) | undefined, log: Log): Saver {
  let phase: Phase = { saving: save ? "waiting" : "none" };
  let upSinceS: number | undefined;
  let writing: Promise<void> = Promise.resolve();
  const giveUp = (problem: string) => {
    log.warn(`the lab was not saved: ${problem}`);
    phase = { saving: "given up", problem };
  };
  return {
    phase: () => phase,
    see(status, nowS) {
      if (phase.saving !== "waiting" || !save || !isUp(status)) return;
      upSinceS ??= nowS;
      if (isWhole(status)) {
        phase = { saving: "saving" };
        writing = save().then(
          () => {
            phase = { saving: "saved" };
          },
          (error: unknown) => giveUp(describeError(error)),
        );
      } else if (nowS - upSinceS > patienceS) giveUp("not all of its devices hear from each other");
    },
    over: () => writing,
    rest() {
      phase = { saving: "none" };
    },
    touch(what) {
      if (phase.saving === "waiting") giveUp(`${what} before all devices saw each other`);
    },
  };
}
