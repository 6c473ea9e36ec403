// The code that shapes what a build makes, as digests. A bundler takes what is really used and drops comments and the names
// of variables, so that a build starts anew only where the code does something else.
import { createHash } from "node:crypto";
import { build, type Plugin } from "esbuild";

export type BuilderCode = { bundle: string; image: string };

/** Digests of what makes a bundle of Debian packages, and of what makes an image of a bundle. */
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

/** Only the board that is built counts, and whoever asks for a digest adds what is known of it. */
const noBoards: Plugin = {
  name: "no-boards",
  setup({ onLoad }) {
    onLoad({ filter: /\/nix\/(boards|layout)\.json$/ }, () => ({ contents: "{}", loader: "json" }));
  },
};
