// Where Debian packages come from: HAMLET_DEBIAN_MIRROR, else this computer's own Debian sources, else what mmdebstrap
// takes by itself. Lines are in the one-line format of sources.list(5).
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { settingOf } from "../../system/environment.ts";

export const suite = "bookworm";
const suites = [suite, `${suite}-updates`, `${suite}-security`];
/** Wi-Fi and network firmware lives in the second one. */
export const components = ["main", "non-free-firmware"];

/** Lines for mmdebstrap; empty where neither the environment nor the host names a Debian mirror. */
export async function debianSources(env: NodeJS.ProcessEnv, aptFolder = "/etc/apt"): Promise<string[]> {
  const mirror = settingOf(env, "HAMLET_DEBIAN_MIRROR");
  if (mirror) return sourcesOfMirror(mirror);
  const texts = [["sources.list", await textOf(join(aptFolder, "sources.list"))]];
  const names = await readdir(join(aptFolder, "sources.list.d")).catch(() => []);
  for (const name of names.sort()) texts.push([name, await textOf(join(aptFolder, "sources.list.d", name))]);
  return sourcesOfHost(texts as [string, string][]);
}

/** One or more URLs; one that ends in `-security` has the security suite, any other the suite and its updates. */
export function sourcesOfMirror(mirror: string): string[] {
  return mirror
    .trim()
    .split(/\s+/)
    .flatMap((url) =>
      (/-security\/?$/.test(url) ? [suites[2]] : suites.slice(0, 2)).map((name) => line("", url, name!)),
    );
}

/** The host's entries for our suite; files are `[name, text]`, `.sources` being deb822. */
export function sourcesOfHost(files: [name: string, text: string][]): string[] {
  const lines = files.flatMap(([name, text]) => {
    if (name.endsWith(".sources")) return deb822(text);
    return name.endsWith(".list") ? oneLine(text) : [];
  });
  // Without the suite itself (a host of another release) its updates alone are no base.
  return lines.some((entry) => entry.includes(` ${suite} `)) ? [...new Set(lines)] : [];
}

const line = (options: string, url: string, name: string) =>
  ["deb", ...(options ? [`[${options}]`] : []), url, name, ...components].join(" ");

function oneLine(text: string): string[] {
  return text.split("\n").flatMap((entry) => {
    const [, options = "", url, name, rest = ""] =
      /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)/.exec(entry) ?? [];
    if (!url || !name || !suites.includes(name) || !rest.split(/\s+/).includes("main")) return [];
    const kept = options.split(/\s+/).filter((option) => /^(signed-by|trusted)=/i.test(option));
    return [line(kept.join(" "), url, name)];
  });
}

function deb822(text: string): string[] {
  const stanzas = text.replaceAll(/^#.*\n?/gm, "").split(/\n\s*\n/);
  return stanzas.flatMap((stanza) => {
    const field = (name: string) =>
      (new RegExp(`^${name}:((?:.*)(?:\n[ \t].*)*)`, "im").exec(stanza)?.[1] ?? "").trim().split(/\s+/).filter(Boolean);
    if (!field("Types").includes("deb") || /^no$/i.test(field("Enabled")[0] ?? "yes")) return [];
    if (!field("Components").includes("main")) return [];
    // An inline key block has no one-line form; mmdebstrap then takes the archive's own keyring.
    const key = field("Signed-By");
    const options = key.length === 1 && key[0]!.startsWith("/") ? `signed-by=${key[0]}` : "";
    const names = field("Suites").filter((name) => suites.includes(name));
    return field("URIs").flatMap((url) => names.map((name) => line(options, url, name)));
  });
}

const textOf = (path: string) => readFile(path, "utf8").catch(() => "");
