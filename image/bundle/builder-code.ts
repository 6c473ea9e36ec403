// Digests of the code that shapes an image. esbuild keeps only what is used and drops comments and local names, so a build
// starts over only when the code behaves differently.
import { createHash } from "node:crypto";
import { build, type Plugin } from "esbuild";
import type { BuilderCode } from "./programs.ts";

/** `bundle`: the code that makes a bundle from Debian packages; `image`: the code that makes an image from a bundle. */
export async function builderCode(projectFolder: string): Promise<BuilderCode> {
  const [bundle, image] = await Promise.all([
    digestOf(projectFolder, 'export { makeBundle } from "./image/bundle/debian/make.ts"'),
    digestOf(projectFolder, 'export { assembleImage } from "./image/assemble/assemble.ts"'),
  ]);
  return { bundle, image };
}

async function digestOf(projectFolder: string, contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: projectFolder, loader: "ts" },
    write: false,
    bundle: true,
    minify: true,
    format: "esm",
    platform: "node",
    target: "node24",
    legalComments: "none",
    logLevel: "silent",
    plugins: [noBoards],
  });
  return createHash("sha256").update(outputFiles[0]!.contents).digest("hex");
}

/** Leave out all boards and layouts: the caller adds the facts of the one board that it builds. */
const noBoards: Plugin = {
  name: "no-boards",
  setup({ onLoad }) {
    onLoad({ filter: /\/nix\/(boards|layout)\.json$/ }, () => ({ contents: "{}", loader: "json" }));
  },
};
