// `rollout abort [<rollout>]`: ends a rollout for good.
import type { Command } from "../../terminal/command.ts";
import { confirm } from "../../terminal/confirm.ts";
import { changeOptions, changeRollout } from "./change.ts";

export const rolloutAbort: Command = {
  usage: "rollout abort [<rollout>]",
  summary: "end a rollout for good",
  example: "hamlet rollout abort 1.4.0 --yes",
  details: `
Devices that have taken the release keep it; nobody else takes it. An aborted rollout cannot be resumed: start another one.
Name it by its release or the first characters of its id, if there is more than one.`,
  options: changeOptions,
  takesDashedWords: true,
  run: (input, context) =>
    changeRollout(input, context, {
      to: ({ promoted }) => ({ state: "aborted", promoted }),
      done: () => "is aborted",
      async ask({ release }) {
        if (input.values["yes"] === true) return;
        await confirm(rolloutAbort, {
          lost: `The rollout of ${release} will be over: it cannot be resumed.`,
          question: "Type 'yes' to abort it",
          answer: "yes",
          otherwise: "nothing was signed; the rollout is as it was",
        });
      },
    }),
};
