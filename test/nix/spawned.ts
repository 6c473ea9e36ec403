// Which programs our code starts, read from the code itself: argument lists in the modules that esbuild puts into a program, and the
// first words of commands in shell scripts.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "../..");

/** An array of arguments where this project writes one: handed to a runner, named `argv`, or a branch of `?`. */
const argumentLists =
  /(?:\b(?:run|exec|succeeds|step|told|startDaemon|startProgram)\(\s*|\bask\(\s*\w+,\s*|\bargv: |\b[Aa]rgv = |\s[?:] )\[\s*"([a-z][\w-]*)"/g;
/** `sh -c 'cat | wg set ...'` */
const shellTexts = /"sh",\s*"-c",\s*(['"`])((?:(?!\1).)*)\1/gs;
/** Words that begin an array after `?` and are no programs. */
const noPrograms = ["optional"];

/** The programs that the code reachable from `entry` starts. */
export async function spawnedBy(entry: string): Promise<string[]> {
  const { metafile } = await build({
    ...{ absWorkingDir: root, entryPoints: [entry], outfile: "unused.mjs", write: false, metafile: true },
    ...{ bundle: true, packages: "external", platform: "node", format: "esm", logLevel: "silent" },
  });
  const sources = Object.entries(Object.values(metafile.outputs)[0]!.inputs).filter(
    ([, { bytesInOutput }]) => bytesInOutput > 0,
  );
  const texts = await Promise.all(sources.map(([path]) => readFile(join(root, path), "utf8")));
  const found = texts.flatMap((text) => [
    ...[...text.matchAll(argumentLists)].map(([, name]) => name!),
    ...[...text.matchAll(shellTexts)].flatMap(([, , script]) => commandsIn(script!)),
  ]);
  return unique(found.filter((name) => !noPrograms.includes(name)));
}

const keywords = "if then else elif fi for while until do done case esac in ! { }".split(" ");
const builtins =
  ": . [ break cd command continue echo eval exec exit export false printf read return set shift test trap true unset".split(
    " ",
  );

/** The first words of a shell script's commands, without the shell's own and the script's functions. */
export function commandsIn(script: string): string[] {
  const inner: string[] = [];
  const plain = script
    .replaceAll(/\\\n/g, " ")
    .replaceAll(/(^|\s)#.*$/gm, "$1")
    .replaceAll(/'[^']*'/g, "Q")
    .replaceAll(/\$\(\(.*?\)\)/g, "Q")
    .replaceAll(/\$\(([^()]*)\)/g, (_, command: string) => {
      inner.push(command);
      return "Q";
    })
    .replaceAll(/"(?:[^"\\]|\\.)*"/gs, "Q")
    .replaceAll(/\bfor \w+ in .*?(?=;|\n)/g, "");
  const functions = [...script.matchAll(/^\s*(\w+)\(\)/gm)].map(([, name]) => name!);
  const words = plain.split(/[;\n|&)]+/).map((command) => {
    const all = command
      .trim()
      .replace(/^\w+\(\s*\{?/, "")
      .trim()
      .split(/\s+/);
    return all.find((word) => !keywords.includes(word) && !/^\w+=/.test(word) && !/^[<>]/.test(word));
  });
  const isProgram = (word: string | undefined): word is string =>
    word !== undefined && /^[a-z][a-z0-9_.-]*$/.test(word) && !builtins.includes(word);
  const found = [...words.filter(isProgram), ...inner.flatMap(commandsIn)];
  return unique(found.filter((name) => !functions.includes(name)));
}

const unique = (words: string[]): string[] => [...new Set(words)].sort();
