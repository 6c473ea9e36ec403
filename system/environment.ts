// Environment variables. Compose files, scripts and unit files write `False`, `off` or nothing when they mean no. A value that is
// neither a word for yes nor a word for no is refused: a wrong guess may erase somebody's card.
import { HamletError } from "./error.ts";

export const wordsForYes = ["1", "true", "t", "yes", "y", "on", "enable", "enabled", "always"];
export const wordsForNo = ["0", "false", "f", "no", "n", "off", "disable", "disabled", "never", "none"];

/** The variable's value; undefined if it is unset or blank: many tools write "unset" as `NAME=`. */
export function settingOf(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value.trim() === "" ? undefined : value;
}

/** Whether the variable says yes; undefined if it is unset, false if it is blank. Throws `usage.invalid`, exit code 2. */
export function switchOf(env: NodeJS.ProcessEnv, name: string): boolean | undefined {
  const word = env[name]?.trim().toLowerCase();
  if (word === undefined) return undefined;
  if (wordsForYes.includes(word)) return true;
  if (word === "" || wordsForNo.includes(word)) return false;
  throw new HamletError("usage.invalid", `${name} is ${quoted(env[name] ?? "")}, which is neither yes nor no`, {
    hint: `set ${name} to 1, true, yes or on, or to 0, false, no or off, or unset it`,
    exitCode: 2,
  });
}

/** One short line without control characters. */
const quoted = (value: string): string => {
  const plain = value.replaceAll(/\p{C}/gu, "?");
  return `'${plain.length > 40 ? `${plain.slice(0, 40)}...` : plain}'`;
};
