// `rollout promote [<rollout>]`: the next wave begins without waiting for soak and threshold of the one before.
import { HamletError } from "../../../system/error.ts";
import type { Command } from "../../terminal/command.ts";
import { changeOptions, changeRollout } from "./change.ts";
import { shortId } from "./named.ts";
import { waveText } from "./terms.ts";

export const rolloutPromote: Command = {
  usage: "rollout promote [<rollout>]",
  summary: "let a wave end without soak and threshold",
  example: "hamlet rollout promote 1.4.0",
  details: `
The wave that is under way needs no soak and no threshold any more; repeat it for the next one. A paused rollout stays paused. Name it by its release or the first characters of its id, if there is more than one.`,
  options: changeOptions,
  takesDashedWords: true,
  run: (input, context) =>
    changeRollout(input, context, {
      to: ({ state, promoted, waves }, wave) => ({
        state,
        promoted: Math.min(waves.length, Math.max(promoted, wave) + 1),
      }),
      // The next number would clear what stopped it.
      async ask(rollout, isStopped) {
        if (!isStopped) return;
        throw new HamletError("rollout.paused", `rollout ${shortId(rollout)} of ${rollout.release} is paused`, {
          hint: "see why with hamlet rollout status, and go on with hamlet rollout resume",
          exitCode: 3,
        });
      },
      done: ({ promoted, waves }) =>
        `does not wait for soak and threshold of wave ${promoted} (${waveText(waves[promoted - 1]!)}) and those before it`,
    }),
};
