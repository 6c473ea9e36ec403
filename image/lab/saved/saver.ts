// When a lab is saved: once, as soon as all is well, and only while its devices are as a lab brings them up.
import { describeError } from "../../../system/error.ts";
import type { Log } from "../../../system/log.ts";
import type { LabStart, LabStatus } from "../supervisor/status.ts";
import { isUp, isWhole } from "../supervisor/whole.ts";

type Phase = Pick<LabStart, "saving" | "problem">;
type Saver = {
  phase(): Phase;
  /** How the devices stand now. */
  see(status: Pick<LabStatus, "devices">, nowS: number): void;
  /** There is nothing to save: the lab came out of a state. */
  rest(): void;
  /** Resolves when nothing is being written. */
  over(): Promise<void>;
  /** Somebody does something with the lab. */
  touch(what: string): void;
};

/** On an idle computer devices that are alive hear all of each other in ten seconds; nobody waits for them for ever. */
const patienceS = 300;

/** Without `save` nothing is ever saved. */
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
      } else if (nowS - upSinceS > patienceS) giveUp("its devices do not hear all of each other");
    },
    over: () => writing,
    rest() {
      phase = { saving: "none" };
    },
    touch(what) {
      if (phase.saving === "waiting") giveUp(`${what} before all was well`);
    },
  };
}
