// Builds the page into one HTML text: script and style inside, no request to anywhere else.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { HamletError } from "../system/error.ts";

const folder = fileURLToPath(new URL("page/", import.meta.url));

export async function buildPage(): Promise<string> {
  const built = await build({
    root: folder,
    configFile: false,
    envDir: false,
    publicDir: false,
    logLevel: "warn",
    mode: "production",
    // Whatever NODE_ENV the caller has (a test runner sets one), the same bytes.
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
  const script = output.find((file) => file.type === "chunk")?.code;
  const style = output.find((file) => file.type === "asset" && file.fileName.endsWith(".css"));
  if (!script || style?.type !== "asset") throw new HamletError("build.failed", "vite made no script or no style");
  const frame = await readFile(`${folder}index.html`, "utf8");
  return frame
    .replace("<!-- style -->", () => `<style>${String(style.source).trim()}</style>`)
    .replace(
      "<!-- script -->",
      () => `<script type="module">${script.trim().replaceAll("</script", "<\\/script")}</script>`,
    );
}

if (import.meta.main) {
  const dist = new URL("../dist/", import.meta.url);
  await mkdir(dist, { recursive: true });
  await writeFile(new URL("page.html", dist), await buildPage());
}
