// `rollout pause [<rollout>]`: holds a rollout: nobody takes the release until it is resumed.
import type { Command } from "../../terminal/command.ts";
import { changeOptions, changeRollout } from "./change.ts";

export const rolloutPause: Command = {
  usage: "rollout pause [<rollout>]",
  summary: "hold a rollout where it is",
  example: "hamlet rollout pause 1.4.0",
  details:
    "Devices that restart just now finish; nobody begins. Name it by its release or the first characters of its id, if there is more than one.",
  options: changeOptions,
  takesDashedWords: true,
  run: (input, context) =>
    changeRollout(input, context, {
      to: ({ promoted }) => ({ state: "paused", promoted }),
      done: () => "is paused",
    }),
};
