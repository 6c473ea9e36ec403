// The root filesystem of a Debian image, made from a small base by the real tar and mkfs.erofs.
import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeRoot } from "../../../../image/bundle/debian/root.ts";
import { type Run, run } from "../../../../system/command.ts";
import { lacks } from "../../../lacks.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-debian-root-"));
  await mkdir(join(folder, "base/etc"), { recursive: true });
  for (const name of ["passwd", "shadow", "group", "gshadow"]) await writeFile(join(folder, "base/etc", name), "");
  execFileSync("tar", ["-cf", join(folder, "root.tar"), "-C", join(folder, "base"), "."]);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Puts a program named mkfs.erofs first on the path, which passes everything but `-b4096` to the real one. */
async function makeWith(help: string): Promise<string> {
  const asked = join(folder, "asked");
  const script = `#!/bin/sh
[ "$1" != --help ] || { echo "${help}"; exit; }
echo "$*" >>${asked}
for word; do shift; [ "$word" = -b4096 ] || set -- "$@" "$word"; done
PATH=\${PATH#*:} exec mkfs.erofs "$@"
`;
  await mkdir(join(folder, "bin"));
  await writeFile(join(folder, "bin/mkfs.erofs"), script);
  await chmod(join(folder, "bin/mkfs.erofs"), 0o755);
  const withOurs: Run = (argv, options) =>
    run(argv, { ...options, env: { ...options?.env, PATH: `${join(folder, "bin")}:${process.env["PATH"]}` } });
  await makeRoot({ folder, key: "base", epochS: 1 }, [], join(folder, "root.erofs"), withOurs);
  expect((await readFile(join(folder, "root.erofs"))).readUInt32LE(1024)).toBe(0xe0f5e1e2);
  return readFile(asked, "utf8");
}

test.skipIf(lacks("root", "mkfs.erofs"))("blocks have 4096 bytes whatever the build machine's pages have", async () => {
  // erofs-utils 1.6 and newer.
  expect(await makeWith(" -b#   set block size to # (# = page size by default)")).toContain("-b4096");
});

test.skipIf(lacks("root", "mkfs.erofs"))("an older mkfs.erofs, which knows no other size, is not asked", async () => {
  expect(await makeWith(" -d#   set output message level")).not.toContain("-b4096");
});
