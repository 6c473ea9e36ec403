// Chooses the Debian sources: HAMLET_DEBIAN_MIRROR, else this computer's own Debian sources, else mmdebstrap's default.
// Lines are in the one-line format of sources.list(5).
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { settingOf } from "../../../system/environment.ts";
import { aptSources } from "./apt-sources.ts";

export const suite = "bookworm";
const suites = [suite, `${suite}-updates`, `${suite}-security`];
/** Wi-Fi and network firmware is in the second one. */
export const components = ["main", "non-free-firmware"];

/** Lines for mmdebstrap; empty if neither the environment nor the host names a Debian mirror. */
export async function debianSources(env: NodeJS.ProcessEnv, aptFolder = "/etc/apt"): Promise<string[]> {
  const mirror = settingOf(env, "HAMLET_DEBIAN_MIRROR");
  if (mirror) return sourcesOfMirror(mirror);
  const texts = [["sources.list", await textOf(join(aptFolder, "sources.list"))]];
  const names = await readdir(join(aptFolder, "sources.list.d")).catch(() => []);
  for (const name of names.sort()) texts.push([name, await textOf(join(aptFolder, "sources.list.d", name))]);
  return sourcesOfHost(texts as [string, string][]);
}

/** One or more URLs; one that ends in `-security` serves the security suite, any other the suite and its updates. */
export function sourcesOfMirror(mirror: string): string[] {
  return mirror
    .trim()
    .split(/\s+/)
    .flatMap((url) =>
      (/-security\/?$/.test(url) ? [suites[2]] : suites.slice(0, 2)).map((name) => line("", url, name!)),
    );
}

/** The host's entries for our suite, with our components; files are `[name, text]`. */
export function sourcesOfHost(files: [name: string, text: string][]): string[] {
  const lines = aptSources(files)
    .filter((source) => suites.includes(source.suite) && source.components.includes("main"))
    .map((source) => line(source.options.join(" "), source.url, source.suite));
  // Updates without the suite itself (on a host of another release) are not enough.
  return lines.some((entry) => entry.includes(` ${suite} `)) ? [...new Set(lines)] : [];
}

const line = (options: string, url: string, name: string) =>
  ["deb", ...(options ? [`[${options}]`] : []), url, name, ...components].join(" ");

const textOf = (path: string) => readFile(path, "utf8").catch(() => "");
