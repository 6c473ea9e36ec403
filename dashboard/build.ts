// Builds the page into one HTML text: with script and style inline, so that it requests nothing else.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { HamletError } from "../system/error.ts";

const folder = fileURLToPath(new URL("page/", import.meta.url));

export const buildPage = async (): Promise<string> => (await bundlePage()).page;

/** `sources` are the files that contribute to the page, those of packages included. */
export async function bundlePage(): Promise<{ page: string; sources: string[] }> {
  const built = await build({
    root: folder,
    configFile: false,
    envDir: false,
    publicDir: false,
    logLevel: "warn",
    mode: "production",
    // The same bytes whatever NODE_ENV is: a test runner sets it.
    define: { "process.env.NODE_ENV": '"production"' },
    oxc: { jsx: { runtime: "automatic", importSource: "preact", development: false } },
    build: {
      write: false,
      target: "es2022",
      modulePreload: false,
      cssCodeSplit: false,
      rolldownOptions: { input: `${folder}main.tsx`, output: { codeSplitting: false } },
    },
  });
  const output = [built].flat().flatMap((result) => ("output" in result ? result.output : []));
  const chunk = output.find((file) => file.type === "chunk");
  const script = chunk?.code;
  const style = output.find((file) => file.type === "asset" && file.fileName.endsWith(".css"));
  if (!chunk || !script || style?.type !== "asset")
    throw new HamletError("build.failed", "vite made no script or no style");
  const frame = await readFile(`${folder}index.html`, "utf8");
  const page = frame
    .replace("<!-- style -->", () => `<style>${String(style.source).trim()}</style>`)
    .replace(
      "<!-- script -->",
      () => `<script type="module">${script.trim().replaceAll("</script", "<\\/script")}</script>`,
    );
  const taken = Object.entries(chunk.modules).filter(([, { renderedLength }]) => renderedLength > 0);
  return { page, sources: taken.map(([source]) => source) };
}

if (import.meta.main) {
  const dist = new URL("../dist/", import.meta.url);
  await mkdir(dist, { recursive: true });
  await writeFile(new URL("page.html", dist), await buildPage());
}
