// What somebody probably meant who typed words that are no command.
// Pure.
import { nearest } from "../../system/nearest.ts";
import { shellWord } from "../../system/shell-word.ts";

/** A slip of the finger changes no more letters. */
const slip = 2;

const typed = (word: string): string => (/^--?[a-z][a-z-]*$/.test(word) ? word : shellWord(word));

/** The command with the longest name that `argv` begins with. */
export function commandIn(argv: readonly string[], names: readonly string[]): string | undefined {
  const matching = names.filter((name) => name.split(" ").every((word, index) => argv[index] === word));
  return matching.sort((a, b) => b.length - a.length)[0];
}

/** `command`: the whole line to type, if there is one. */
export function meantBy(argv: readonly string[], names: readonly string[]): { why: string; command?: string } {
  const at = argv[0]?.startsWith("-") ? argv.findIndex((_, index) => commandIn(argv.slice(index), names)) : -1;
  if (at > 0) {
    const name = commandIn(argv.slice(at), names)!;
    const words = [...argv.slice(at + name.split(" ").length), ...argv.slice(0, at)];
    return { why: "options come after the command", command: [name, ...words.map(typed)].join(" ") };
  }
  const words = argv.filter((word) => !word.startsWith("-"));
  const why = `there is no command '${words.join(" ") || argv[0]}'`;
  for (const count of [3, 2, 1]) {
    const name = words.length < count ? undefined : nearest(words.slice(0, count).join(" "), names, slip);
    if (name === undefined) continue;
    return { why, command: [name, ...words.slice(count).map(typed)].join(" ") };
  }
  return { why };
}
