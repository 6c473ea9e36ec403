// Commands that an answer tells people to type next: as they stand there they must reach the same device, with the same folder.
// Pure.
import { shellWord } from "../../system/shell-word.ts";
import { text, type Values } from "./command.ts";

const asking = "adopt|forget|hold|net explain|open|operator add|reject|rename|reset|revoke|rollout [a-z]+|status";
/** Which commands have these options. A test compares them with the commands. */
const takers = {
  device: new RegExp(`^(${asking}|logs|update [a-z]+)$`),
  neighborhood: new RegExp(`^(${asking}|operator list|provision|token create|update (?!install)[a-z]+)$`),
  folder: /^(ota (?!init)[a-z]+|rollout rehearse)$/,
};
const named = new RegExp(
  `\\bhamlet (${asking}|logs|operator list|ota [a-z]+|provision|token create|update [a-z]+)\\b`,
  "g",
);
/** What people should type on the device itself needs no address. */
const elsewhere = /\b(there|on it|on the device|as root)\b[^;]*$/;

/** The options that a command of this name takes over from the one before. */
export const keptBy = (name: string): string[] =>
  Object.entries(takers).flatMap(([option, commands]) => (commands.test(name) ? [option] : []));

/** Completes each `hamlet ...` in `hint` by what this command was told: `hamlet update seen --device attic`. */
export function again(hint: string, values: Values): string {
  return hint.replaceAll(named, (found, name: string, at: number) => {
    const rest = hint.slice(at + found.length).split(/[;`]|\bhamlet /)[0]!;
    if (elsewhere.test(hint.slice(0, at)) || /\bon the device\b/.test(rest)) return found;
    const flags = keptBy(name).flatMap((option) => {
      const value = text(values, option);
      return value === undefined || rest.includes(`--${option}`) ? [] : [` --${option} ${shellWord(value)}`];
    });
    return found + flags.join("");
  });
}
