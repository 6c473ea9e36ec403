// Finds HAMLET_... variables that nothing reads: a misspelt one, such as HAMLET_DRYRUN, must not be ignored silently.
import { settingOf } from "../../system/environment.ts";
import { commands } from "../commands.ts";
import { type Command, variableOf } from "./command.ts";

/** Read outside of `parseInput`, by commands or by programs that they start. */
const others = ["CONFIG", "DEBIAN_MIRROR", "DEBUG", "LOG", "PASSPHRASE", "PROVISION_FILE", "WIFI_PASSWORD"];
const readElsewhere = new Set(others.map((name) => `HAMLET_${name}`));

const variablesOf = ({ options = {} }: Command): string[] => Object.keys(options).map(variableOf);

/** Flags of other commands count as known, because one environment serves all commands. */
export async function unknownVariables(command: Command, env: NodeJS.ProcessEnv): Promise<string[]> {
  const own = new Set(variablesOf(command));
  const strange = Object.keys(env).filter(
    (name) =>
      /^HAMLET_(?!TEST_)/i.test(name) &&
      settingOf(env, name) !== undefined &&
      !own.has(name) &&
      !readElsewhere.has(name),
  );
  if (strange.length === 0) return [];
  const all = await Promise.all(Object.values(commands).map((load) => load()));
  const known = new Set(all.flatMap(variablesOf));
  return strange.filter((name) => !known.has(name));
}
