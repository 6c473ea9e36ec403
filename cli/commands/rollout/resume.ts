// `rollout resume [<rollout>]`: goes on with a paused rollout.
import type { Command } from "../../terminal/command.ts";
import { changeOptions, changeRollout } from "./change.ts";

export const rolloutResume: Command = {
  usage: "rollout resume [<rollout>]",
  summary: "go on with a paused rollout",
  example: "hamlet rollout resume 1.4.0",
  details:
    "Nothing resumes by itself: not after a threshold was crossed, nor after two operators said different things. Name it by its release or the first characters of its id, if there is more than one.",
  options: changeOptions,
  takesDashedWords: true,
  run: (input, context) =>
    changeRollout(input, context, {
      to: ({ promoted }) => ({ state: "running", promoted }),
      done: () => "goes on",
    }),
};
