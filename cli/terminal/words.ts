// Which words of a command line are options: parseArgs tells, also where it would refuse one.
// Pure.
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";

const tokensOf = (words: readonly string[], options: ParseArgsOptionsConfig) =>
  parseArgs({ args: [...words], options, allowPositionals: true, strict: false, tokens: true }).tokens;

/** Where the word after the first `count` begins that is neither an option nor an option's value. `--` ends the options. */
export function endOfWords(words: readonly string[], options: ParseArgsOptionsConfig, count: number): number {
  const plain = tokensOf(words, options).filter(({ kind }) => kind === "positional");
  return plain[count]?.index ?? words.length;
}

/** Nobody has to type more of an id, and what is shorter is a slip: `-x`. */
const minChars = 4;

/** Where words begin with one dash and are no options: `-Abc1`, but neither `-yh` nor `-json`, which leaves out a dash. */
export function dashedWords(words: readonly string[], options: ParseArgsOptionsConfig): ReadonlySet<number> {
  const found = new Set<number>();
  for (const token of tokensOf(words, options)) {
    const word = words[token.index]!;
    if (token.kind !== "option" || Object.hasOwn(options, token.name) || word.startsWith("--")) continue;
    if (word.length >= minChars && !Object.hasOwn(options, word.slice(1))) found.add(token.index);
  }
  return found;
}
