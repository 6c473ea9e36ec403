// A shell that runs one script after another. Starting a program from this process costs ten times as much: it holds a disk's map.

import { startProgram } from "../../../system/program.ts";
import { makeQueue } from "../../../system/queue.ts";

export type Shell = {
  /** Runs the script with $1 and so on, and returns what it printed. */
  run(script: string, ...words: string[]): Promise<string>;
  close(): void;
};

export function openShell(): Shell {
  const shell = startProgram(["sh"], { stdin: "pipe", stdout: "pipe", env: { ...process.env, LC_ALL: "C" } });
  let printed = "";
  let heard = () => {};
  shell.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
    heard();
  });
  const inOrder = makeQueue();
  const end = "\0";
  return {
    run: (script, ...words) =>
      inOrder(async () => {
        shell.stdin.write(`(set -- ${words.map(quoted).join(" ")}\n${script}\n) 2>&1 </dev/null; printf '\\0'\n`);
        const over = shell.exit.then(() => {
          throw new Error(`the shell has ended: ${printed}`);
        });
        over.catch(() => {});
        while (!printed.includes(end)) await Promise.race([over, new Promise<void>((resolve) => (heard = resolve))]);
        const [text = "", rest = ""] = printed.split(end, 2);
        printed = rest;
        return text;
      }),
    close: () => shell.stdin.end(),
  };
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;
