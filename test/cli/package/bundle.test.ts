import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundleProgram } from "../../../cli/package/bundle.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-program-"));
  await writeFile(
    join(folder, "program.ts"),
    `#!/usr/bin/env node
     import { readFileSync } from "node:fs";
     import fs from "fs";
     import { zstdCompressSync } from "node:zlib";
     declare const HAMLET_PAGE: string;
     { using thing = { [Symbol.dispose]() { console.log("disposed"); } }; void thing; }
     console.log(await Promise.resolve(typeof readFileSync), fs.readFileSync === readFileSync, typeof zstdCompressSync, HAMLET_PAGE);`,
  );
  await bundleProgram(join(folder, "program.ts"), join(folder, "program.mjs"), "<p>page</p>");
  await writeFile(
    join(folder, "old.cjs"),
    `Object.defineProperty(process.versions, "node", { value: "18.0.0" });
     delete require("node:zlib").zstdCompressSync;`,
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const start = (...args: string[]) =>
  new Promise<{ code: number | string | null | undefined; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, args, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }));
  });

test("a built program runs on its own, with Node's modules and the page", async () => {
  const { code, stdout, stderr } = await start(join(folder, "program.mjs"));
  expect(stderr).toBe("");
  expect(stdout).toBe("disposed\nfunction true function <p>page</p>\n");
  expect(code).toBe(0);
});

test("an older Node gets a one-line error and exit code 2", async () => {
  const { code, stdout, stderr } = await start("--require", join(folder, "old.cjs"), join(folder, "program.mjs"));
  expect(stderr).toBe("hamlet: node.tooOld: this is Node.js 18.0.0; 24.0 or newer is needed\n");
  expect([code, stdout]).toEqual([2, ""]);
});

test("files that import the same module of Node share it, since a copy for each would cost a device memory", async () => {
  const text =
    'import { createHash } from "node:crypto"; export const hash = (text) => createHash("md5").update(text).digest("hex");';
  await writeFile(join(folder, "one.js"), text);
  await writeFile(join(folder, "two.js"), text);
  const both =
    'import * as one from "./one.js"; import * as two from "./two.js"; console.log(one.hash("x") === two.hash("x"));';
  await writeFile(join(folder, "both.js"), both);
  await bundleProgram(join(folder, "both.js"), join(folder, "both.mjs"), "");
  const built = await readFile(join(folder, "both.mjs"), "utf8");
  // What esbuild copies a module's properties with.
  expect(built).not.toContain("getOwnPropertyDescriptor");
  expect(built.match(/"node:crypto"/g)).toHaveLength(1);
  expect((await start(join(folder, "both.mjs"))).stdout).toBe("true\n");
});

test("a stack trace of a built program names the functions, without a second name for each", async () => {
  await writeFile(join(folder, "fails.ts"), 'const failHere = () => console.log(new Error("x").stack); failHere();');
  await bundleProgram(join(folder, "fails.ts"), join(folder, "fails.mjs"), "");
  expect((await start(join(folder, "fails.mjs"))).stdout).toContain("at failHere");
  expect(await readFile(join(folder, "fails.mjs"), "utf8")).not.toContain("defineProperty");
});

test("a program that does not compile gives a coded error that names the position", async () => {
  await writeFile(join(folder, "bad.ts"), "export const x = ;");
  const building = bundleProgram(join(folder, "bad.ts"), join(folder, "bad.mjs"), "");
  await expect(building).rejects.toMatchObject({ code: "build.failed", message: expect.stringContaining("bad.ts:1") });
});

test("the agent contains no package that it never runs, since a device would parse it at each start", async () => {
  const sources = await bundleProgram("agent/main.ts", join(folder, "agent.mjs"), "");
  const packages = new Set(sources.flatMap((source) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? []));
  for (const used of ["zod", "jose", "mqtt", "aedes", "bonjour-service"]) expect(packages).toContain(used);
  for (const idle of ["ws", "socks", "event-target-shim", "systeminformation"]) expect(packages).not.toContain(idle);
  // It reads manifests of releases, and neither builds bundles nor writes images.
  for (const builder of ["image/bundle/bundle.ts", "image/boards.ts"]) expect(sources).not.toContain(builder);
});

test.each(["agent/main.ts", "ota/updater/main.ts", "provisioning/firstboot/main.ts"])(
  "%s is plain ASCII when built, since Node keeps any other program in two bytes a character",
  async (entry) => {
    await bundleProgram(entry, join(folder, "plain.mjs"), "<p>\u00b0</p>");
    expect(await readFile(join(folder, "plain.mjs"), "latin1")).not.toMatch(/[^\0-\x7f]/);
  },
);

test("a built program contains only the parts of zod that it uses, with their messages", async () => {
  const text = "console.log(z.strictObject({ name: z.string() }).safeParse({ name: 5 }).error?.issues[0]?.message);";
  const program = join(import.meta.dirname, `../../../node_modules/.cache/hamlet-zod-${process.pid}.ts`);
  await mkdir(dirname(program), { recursive: true });
  try {
    await writeFile(program, `import { z } from "zod";\n${text}`);
    await bundleProgram(program, join(folder, "lean.mjs"), "");
    await writeFile(program, `import { z as z } from "zod";\n${text}`);
    await bundleProgram(program, join(folder, "whole.mjs"), "");
  } finally {
    await rm(program, { force: true });
  }
  expect((await start(join(folder, "lean.mjs"))).stdout).toBe("Invalid input: expected string, received number\n");
  expect((await stat(join(folder, "lean.mjs"))).size).toBeLessThan(0.7 * (await stat(join(folder, "whole.mjs"))).size);
});
