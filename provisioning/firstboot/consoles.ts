// Prints a line of root's on each console, while no agent runs yet.
import { constants } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Paths } from "./paths.ts";

/** On every console that the kernel writes to. Ignores a console that accepts nothing. */
export async function printOnConsoles(paths: Pick<Paths, "activeConsoles" | "dev">, line: string): Promise<void> {
  const active = await readFile(paths.activeConsoles, "utf8").catch(() => "");
  const names = active.split(/\s+/).filter((name) => /^[A-Za-z]+[0-9]+$/.test(name));
  for (const name of names) {
    // tty0 is an alias for the screen in front.
    await printOn(join(paths.dev, name === "tty0" ? "tty1" : name), line).catch(() => {});
  }
}

async function printOn(path: string, line: string): Promise<void> {
  // NOCTTY: the terminal would become ours, and hang up when we end.
  const { O_WRONLY, O_APPEND, O_NOCTTY, O_NONBLOCK } = constants;
  const console = await open(path, O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK);
  try {
    await console.write(`${line.replaceAll(/[^ -~]/g, "?").slice(0, 200)}\n`);
  } finally {
    await console.close();
  }
}
