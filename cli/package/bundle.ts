// Bundles a program and all it imports into one file for a Node runtime without node_modules.
import { readFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import { HamletError } from "../../system/error.ts";

/** `oldestNode`: the oldest Node that runs it, as major and minor version. */
export type Program = { name: string; entry: string; oldestNode?: readonly [number, number] };

/** On a device Node is ours. On other computers it may be the oldest that has zstd. */
const deviceNode = [24, 0] as const;
const anyNode = [22, 15] as const;

export const devicePrograms: readonly Program[] = [
  { name: "agent.mjs", entry: "agent/main.ts" },
  // The agent starts it once a day. Inside the agent it would be a third of the agent's size.
  { name: "inventory.mjs", entry: "agent/telemetry/inventory-child.ts" },
  { name: "updater.mjs", entry: "ota/updater/main.ts" },
  { name: "firstboot.mjs", entry: "provisioning/firstboot/main.ts" },
  { name: "lab-guest.mjs", entry: "image/lab/guest/main.ts" },
  { name: "hamlet.mjs", entry: "cli/hamlet.ts", oldestNode: anyNode },
];
/** The programs that the command starts on a computer that is no device. */
export const ownPrograms: readonly Program[] = [
  { name: "supervisor.mjs", entry: "image/lab/supervisor/supervisor.ts", oldestNode: anyNode },
  { name: "join-inside.mjs", entry: "image/lab/network/join-inside.ts", oldestNode: anyNode },
  { name: "lab-web.mjs", entry: "image/lab/web/main.ts", oldestNode: anyNode },
  { name: "publish-thread.mjs", entry: "ota/repository/threads/thread.ts", oldestNode: anyNode },
];

/** Programs by name, and the source files that are in them, including those of packages. */
export type Built = { programs: Map<string, string>; sources: Set<string> };

/** Writes `programs` to `folder`; `page` is the dashboard. */
export async function bundlePrograms(
  programs: readonly Program[],
  projectFolder: string,
  folder: string,
  page: string,
): Promise<Built> {
  const written = new Map<string, string>();
  const sources = new Set<string>();
  for (const { name, entry, oldestNode } of programs) {
    const path = join(folder, name);
    for (const source of await bundleProgram(join(projectFolder, entry), path, page, oldestNode)) sources.add(source);
    written.set(name, path);
  }
  return { programs: written, sources };
}

/** Comes before any import, in syntax that any Node of the last ten years parses. */
const banner = ([major, minor]: readonly [number, number]) =>
  [
    'import { createRequire as hamletRequire } from "node:module";',
    'var hamletNode = process.versions.node.split(".").map(Number);',
    `if (hamletNode[0] < ${major} || (hamletNode[0] === ${major} && hamletNode[1] < ${minor})) {`,
    `  console.error("hamlet: node.tooOld: this is Node.js " + process.versions.node + "; ${major}.${minor} or newer is needed");`,
    "  process.exit(2);",
    "}",
    "const require = hamletRequire(import.meta.url);",
  ].join("\n");

/** Returns the source files that `output` contains parts of. */
export async function bundleProgram(
  entry: string,
  output: string,
  page: string,
  oldestNode: readonly [number, number] = deviceNode,
): Promise<string[]> {
  try {
    const { metafile } = await build({
      metafile: true,
      entryPoints: [entry],
      outfile: output,
      bundle: true,
      // Names stay, for stack traces and logs. To shorten them and give each function its own back (keepNames) would take the agent
      // 1 MB more, and a tenth of its start.
      minifySyntax: true,
      minifyWhitespace: true,
      format: "esm",
      platform: "node",
      // Older syntax than we need, so that an old Node gets as far as the check in the banner.
      target: "node18",
      supported: { "top-level-await": true },
      banner: { js: banner(oldestNode) },
      define: {
        "process.env.NODE_ENV": '"production"',
        HAMLET_PAGE: JSON.stringify(page),
      },
      legalComments: "none",
      logLevel: "silent",
      plugins: [lateBuiltins, checkoutOnly, oneLanguage, onlyUsed],
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

/**
 * Loads Node's own modules when the program runs: one that an old Node lacks must not fail before the check. All files share one
 * variable for each name that they import; a copy of the module for each file would take the agent 1 MB of memory.
 */
const lateBuiltins: Plugin = {
  name: "late-builtins",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[a-z]/ }, ({ path, namespace, kind }) => {
      const name = path.replace(/^node:/, "");
      const isBuiltin = path !== name || builtinModules.includes(name);
      if (!isBuiltin) return undefined;
      if (kind !== "import-statement" || namespace === "builtin") return { path: `node:${name}`, external: true };
      return { path: `node:${name}`, namespace: "builtin" };
    });
    onLoad({ filter: /.*/, namespace: "builtin" }, async ({ path }) => {
      const names = Object.keys(await import(path)).filter((name) => name !== "default" && name !== "module.exports");
      return {
        contents: [
          `const all = /* @__PURE__ */ require(${JSON.stringify(path)});`,
          "const take = (name) => all[name];",
          "export { all as default };",
          // Marked as pure, so that only what is imported somewhere is left.
          ...names.map((name) => `export const ${name} = /* @__PURE__ */ take(${JSON.stringify(name)});`),
        ].join("\n"),
      };
    });
  },
};

/** Leaves out the builder, which only a checkout runs. */
const checkoutOnly: Plugin = {
  name: "checkout-only",
  setup({ onLoad }) {
    onLoad({ filter: /\/(cli\/package|dashboard)\/build\.ts$/ }, () => ({ contents: "" }));
  },
};

/** Keeps one of the forty languages of zod's messages. */
const oneLanguage: Plugin = {
  name: "one-language",
  setup({ onLoad }) {
    onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
    }));
  },
};

/** Leaves out code that never runs, because parsing it costs a small board seconds and megabytes at each start. */
const onlyUsed: Plugin = {
  name: "only-used",
  setup({ onLoad }) {
    // The export `z` contains all of zod; a namespace import keeps only what is used.
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      return { contents: text.replace('import { z } from "zod";', 'import * as z from "zod";'), loader: "ts" };
    });
    // The MQTT client's own transports, such as WebSockets and SOCKS (ours is telemetry/transport.ts), and its timers for
    // background tabs.
    const unused = /node_modules\/(mqtt\/build\/lib\/connect|worker-timers)\//;
    onLoad({ filter: unused }, () => ({ contents: "" }));
    // A copy of Node's streams; with READABLE_STREAM=disable the package uses Node's own.
    const streams = /node_modules\/readable-stream\/lib\/ours\/index\.js$/;
    onLoad({ filter: streams }, () => ({ contents: 'module.exports = require("node:stream");' }));
  },
};
