// Bundles a program and all it imports into one file for a Node runtime without node_modules.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import { HamletError } from "../system/error.ts";

export type Program = { name: string; entry: string };

/** What ships: on a device all five, elsewhere the last. */
export const programs: Program[] = [
  { name: "agent.mjs", entry: "agent/main.ts" },
  // The agent starts it, once a day: a third of the agent's size would be for that.
  { name: "inventory.mjs", entry: "agent/telemetry/inventory-child.ts" },
  { name: "firstboot.mjs", entry: "provisioning/firstboot/main.ts" },
  { name: "lab-guest.mjs", entry: "image/lab/guest/main.ts" },
  { name: "hamlet.mjs", entry: "cli/hamlet.ts" },
];

/** Programs by name, and the source files that are in them, packages' included. */
export type Built = { programs: Map<string, string>; sources: Set<string> };

/** Writes the programs that this project has to `folder`; `page` is the dashboard. */
export async function buildPrograms(projectFolder: string, folder: string, page: string): Promise<Built> {
  const written = new Map<string, string>();
  const sources = new Set<string>();
  for (const program of programs) {
    if (!existsSync(join(projectFolder, program.entry))) continue;
    const path = join(folder, program.name);
    for (const source of await bundleProgram(join(projectFolder, program.entry), path, page)) sources.add(source);
    written.set(program.name, path);
  }
  return { programs: written, sources };
}

const wantedMajor = 24;
// Comes before any import and in syntax that any Node of the last ten years parses.
const banner = [
  'import { createRequire as hamletRequire } from "node:module";',
  `if (Number(process.versions.node.split(".")[0]) < ${wantedMajor}) {`,
  `  console.error("hamlet: node.tooOld: this is Node.js " + process.versions.node + ", ${wantedMajor} or newer is needed");`,
  "  process.exit(2);",
  "}",
  "const require = hamletRequire(import.meta.url);",
].join("\n");

/** Returns the source files of which something is in `output`. */
export async function bundleProgram(entry: string, output: string, page: string): Promise<string[]> {
  try {
    const { metafile } = await build({
      metafile: true,
      entryPoints: [entry],
      outfile: output,
      bundle: true,
      minify: true,
      // Function names stay in stack traces and in logs.
      keepNames: true,
      format: "esm",
      platform: "node",
      // Older syntax than we need, so that an old Node gets as far as the check in the banner.
      target: "node18",
      supported: { "top-level-await": true },
      banner: { js: banner },
      define: {
        "process.env.NODE_ENV": '"production"',
        HAMLET_PAGE: JSON.stringify(page),
      },
      legalComments: "none",
      logLevel: "silent",
      plugins: [lateBuiltins, oneLanguage, onlyUsed],
    });
    const taken = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs));
    return taken.flatMap(([source, { bytesInOutput }]) => (bytesInOutput > 0 ? [source] : []));
  } catch (cause) {
    const [first] = (cause as { errors?: { text: string; location?: { file: string; line: number } }[] }).errors ?? [];
    const where = first?.location ? ` (${first.location.file}:${first.location.line})` : "";
    throw new HamletError("build.failed", `${entry} could not be bundled: ${first?.text ?? "see the cause"}${where}`, {
      cause,
    });
  }
}

/** Only a checkout builds anything, and it has these. */
const buildTools = ["esbuild", "vite"];

/** Node's own modules are asked for when the program runs: a name that an old Node lacks must not fail before the check. */
const lateBuiltins: Plugin = {
  name: "late-builtins",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[a-z]/ }, ({ path, namespace }) => {
      const name = path.replace(/^node:/, "");
      const isBuiltin = path !== name || builtinModules.includes(name);
      if (!isBuiltin && !buildTools.includes(name)) return undefined;
      if (namespace === "builtin") return { path, external: true };
      return { path: isBuiltin ? `node:${name}` : name, namespace: "builtin" };
    });
    onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
    }));
  },
};

/** zod carries its messages in forty languages; the logs speak one. */
const oneLanguage: Plugin = {
  name: "one-language",
  setup({ onLoad }) {
    onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
    }));
  },
};

/** What is parsed at each start and never runs: a small board pays for it in seconds and megabytes. */
const onlyUsed: Plugin = {
  name: "only-used",
  setup({ onLoad }) {
    // The name `z` holds all of zod; as a namespace of the module it holds what somebody asks for.
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      return { contents: text.replace('import { z } from "zod";', 'import * as z from "zod";'), loader: "ts" };
    });
    // The MQTT client's own ways to a broker, by WebSockets and SOCKS too (ours is telemetry/connection.ts), and its timers for tabs
    // in the background.
    const unused = /node_modules\/(mqtt\/build\/lib\/connect|worker-timers)\//;
    onLoad({ filter: unused }, () => ({ contents: "" }));
    // A copy of Node's streams, which it gives itself where READABLE_STREAM=disable.
    const streams = /node_modules\/readable-stream\/lib\/ours\/index\.js$/;
    onLoad({ filter: streams }, () => ({ contents: 'module.exports = require("node:stream");' }));
  },
};
