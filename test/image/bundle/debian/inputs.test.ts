// A cached bundle is rebuilt only after changes that affect its bytes.
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundlePrograms, devicePrograms } from "../../../../cli/package/bundle.ts";
import { imageInputs } from "../../../../image/assemble/assemble.ts";
import { boardNamed } from "../../../../image/boards.ts";
import { builderCode } from "../../../../image/bundle/builder-code.ts";
import { inputsOf } from "../../../../image/bundle/debian/inputs.ts";
import { deviceFiles } from "../../../../image/bundle/device-files.ts";
import { type Lock, readLock } from "../../../../image/bundle/lock/lock.ts";

type Keys = { bundle: string; image: string };
/** Maps paths in the project to new contents. */
type Changes = Record<string, (text: string) => string>;

const root = join(import.meta.dirname, "../../../..");
const rooms = ["LICENSE", "package.json", "agent", "cli", "dashboard", "image", "nix", "ota", "provisioning", "system"];
const board = boardNamed("nuc");
let folder = "";
/** Copies everything that a build reads from this project. */
let project = "";
let lock: Lock;
let programs: Map<string, string>;
let before: Keys;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-inputs-"));
  project = join(folder, "project");
  for (const name of rooms) await cp(join(root, name), join(project, name), { recursive: true });
  await symlink(join(root, "node_modules"), join(project, "node_modules"));
  lock = await readLock(project, "amd64");
  ({ programs } = await bundlePrograms(devicePrograms, project, folder, "page"));
  before = await keysOf({});
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs `use` while `changes` are applied to the project. */
async function changed<T>(changes: Changes, use: () => Promise<T>): Promise<T> {
  const old = new Map<string, string>();
  try {
    for (const [name, change] of Object.entries(changes)) {
      const text = await readFile(join(project, name), "utf8");
      old.set(name, text);
      expect(change(text), name).not.toBe(text);
      await writeFile(join(project, name), change(text));
    }
    return await use();
  } finally {
    for (const [name, text] of old) await writeFile(join(project, name), text);
  }
}

type Taken = { lock: Lock; version: string; key: string };
const keysOf = (changes: Changes, other: Partial<Taken> = {}): Promise<Keys> =>
  changed(changes, async () => {
    const code = await builderCode(project);
    const extras = await deviceFiles(programs, board.name, project);
    const taken = { lock, version: "0.1.0", key: "base", ...other };
    const request = { board, version: taken.version, extras, npm: [], projectFolder: project, code: code.bundle };
    const inputs = await inputsOf(request, { lock: taken.lock, relocked: [] }, taken);
    return { bundle: inputs, image: imageInputs({ board: board.name, inputs }, code.image) };
  });

const append = (line: string) => (text: string) => `${text}${line}\n`;
const replace = (from: string | RegExp, to: string) => (text: string) => text.replace(from, to);
const doMore = append("console.log('more');");

test("adding a comment to every source file changes no key and no program", async () => {
  const found = await readdir(project, { recursive: true, withFileTypes: true });
  const code = found
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => relative(project, join(entry.parentPath, entry.name)));
  expect(code.length).toBeGreaterThan(200);
  const comment = (text: string) => text.replace(/^(#!.*\n)?/, "$&// One more thing to know.\n/* And another. */\n");
  const changes = Object.fromEntries(code.map((name) => [name, comment]));
  expect(await keysOf(changes)).toEqual(before);
  const again = await changed(changes, () => bundlePrograms(devicePrograms, project, join(folder, "again"), "page"));
  expect([...again.programs.keys()]).toEqual([...programs.keys()]);
  for (const [name, path] of again.programs) {
    expect((await readFile(path)).equals(await readFile(programs.get(name)!)), name).toBe(true);
  }
});

test("code outside the image, documents and other boards change no key", async () => {
  const changes = {
    "image/inspect/inspect.ts": doMore,
    "image/inspect/diff.ts": doMore,
    "image/bundle/debian/mirror-state.ts": doMore,
    "image/lab/machine/disk.ts": doMore,
    "nix/README.md": append("More."),
    "nix/boards.json": replace("Raspberry Pi 4", "Raspberry Pi Four"),
  };
  expect(await keysOf(changes)).toEqual(before);
});

test.each<[string, Changes]>([
  ["a unit", { "agent/units/hamlet-agent.service": append("# changed") }],
  ["a file of the root", { "image/bundle/root/usr/lib/hamlet/grow-data": append("true") }],
  ["the initrd's script", { "image/bundle/initrd/init": append("true") }],
  ["the licence", { LICENSE: append("") }],
  [
    "a number in the builder's code",
    { "image/bundle/debian/initrd.ts": replace(/const version = \d+/, "const version = 99") },
  ],
  [
    "the list of units",
    { "image/bundle/debian/units.ts": replace('"systemd-update-done.service"', '"other.service"') },
  ],
  ["code that the builder uses", { "image/boot/rpi/config.ts": doMore }],
  ["the agent's user", { "nix/constants.json": replace(/"agentUserId": \d+/, '"agentUserId": 1') }],
])("a change to %s gives another bundle, and so another image", async (_, changes) => {
  const after = await keysOf(changes);
  expect(after.bundle).not.toBe(before.bundle);
  expect(after.image).not.toBe(before.image);
});

test("another package, tool, version or base gives another bundle", async () => {
  const [[name, one] = ["", undefined]] = Object.entries(lock.installed);
  const installed = { ...lock.installed, [name]: { ...one!, sha256: "0".repeat(64) } };
  const tools = { ...lock.tools, "erofs-utils": "99" };
  const keys = [
    await keysOf({}, { lock: { ...lock, installed } }),
    await keysOf({}, { lock: { ...lock, tools } }),
    await keysOf({}, { version: "0.1.1" }),
    await keysOf({}, { key: "another base of the same packages" }),
  ];
  expect(new Set([before, ...keys].map(({ bundle }) => bundle)).size).toBe(5);
});

test.each(["image/assemble/assemble.ts", "image/assemble/placement.ts", "image/assemble/fat-volume.ts"])(
  "a change to %s gives another image of the same bundle",
  async (file) => {
    const after = await keysOf({ [file]: doMore });
    expect(after.bundle).toBe(before.bundle);
    expect(after.image).not.toBe(before.image);
  },
);

test("another release root or repository gives another bundle of the same base", async () => {
  const inputs = async (repositories: string, releaseRoot: string) => {
    const update = { repositories: join(folder, "update.json"), releaseRoot: join(folder, "release-root.json") };
    await writeFile(update.repositories, repositories);
    await writeFile(update.releaseRoot, releaseRoot);
    const extras = await deviceFiles(new Map(), board.name, root, update);
    const request = { board, version: "1", extras, npm: [], projectFolder: root, code: "" };
    return inputsOf(request, { lock, relocked: [] }, { key: "base" });
  };
  const first = await inputs("one", "root");
  expect(await inputs("one", "root")).toBe(first);
  expect(new Set([first, await inputs("two", "root"), await inputs("one", "other")]).size).toBe(3);
});

test("a board's own facts are part of its key", async () => {
  const request = { board, version: "1", extras: [], npm: [], projectFolder: root, code: "" };
  const pinned = { lock, relocked: [] };
  const other = { ...board, kernelArguments: [...board.kernelArguments, "quiet"] };
  const base = { key: "base" };
  expect(await inputsOf({ ...request, board: other }, pinned, base)).not.toBe(await inputsOf(request, pinned, base));
});
