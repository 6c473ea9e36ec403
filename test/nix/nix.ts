// Debian's Nix for tests: its store is a temporary folder, without a daemon or network; builders run as this user.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const project = plainPath(join(import.meta.dirname, "../.."));
export const nixFolder = join(project, "nix");
export const testFolder = join(project, "test/nix");

/** Nix's language has no paths with spaces and the like, so a project folder with such a path is reached by a link. */
function plainPath(path: string): string {
  if (/^[\w./+-]+$/.test(path)) return path;
  const folder = mkdtempSync(join(tmpdir(), "hamlet-nix-link-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  symlinkSync(path, join(folder, "hamlet"));
  return join(folder, "hamlet");
}

export type TestNix = AsyncDisposable & {
  folder: string;
  /** Evaluates an expression completely and returns its value. */
  evaluate(expression: string): Promise<unknown>;
  /** Builds an expression's derivation and returns its path. */
  build(expression: string): Promise<string>;
  parse(file: string): Promise<void>;
};

/** Puts the store below `folder` and ignores this computer's settings. */
export const nixEnvironment = (folder: string): Record<string, string> => ({
  NIX_STORE_DIR: join(folder, "store"),
  NIX_STATE_DIR: join(folder, "var"),
  NIX_LOG_DIR: join(folder, "log"),
  NIX_CONF_DIR: join(folder, "conf"),
  NIX_CONFIG: "build-users-group =\nsandbox = false\nsubstitute = false",
});

export async function makeNix(): Promise<TestNix> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-nix-test-"));
  const env = { ...process.env, ...nixEnvironment(folder), LC_ALL: "C" };
  const start = async (program: string, ...args: string[]): Promise<string> => {
    const done = await promisify(execFile)(program, args, { env, maxBuffer: 64 << 20 });
    return done.stdout;
  };
  return {
    folder,
    async evaluate(expression) {
      return JSON.parse(await start("nix-instantiate", "--eval", "--strict", "--json", "--expr", expression));
    },
    async build(expression) {
      return (await start("nix-build", "--no-out-link", "--expr", expression)).trim();
    },
    async parse(file) {
      await start("nix-instantiate", "--parse", file);
    },
    async [Symbol.asyncDispose]() {
      await makeWritable(folder);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Makes `folder` deletable: Nix removes write permission from everything it builds. */
export async function makeWritable(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    await chmod(join(folder, entry.name), 0o755);
    await makeWritable(join(folder, entry.name));
  }
}
