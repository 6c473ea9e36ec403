// What a publisher types: from nothing to a release, and what there is to do afterwards.
import { cp, mkdir, mkdtemp, readdir, readFile, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, test as everywhere, expect } from "vitest";
import { otaExport } from "../../../cli/commands/ota/export.ts";
import { otaGc } from "../../../cli/commands/ota/gc.ts";
import { otaInit } from "../../../cli/commands/ota/init.ts";
import { publishRunning } from "../../../cli/commands/ota/lab-releases.ts";
import { otaPublish } from "../../../cli/commands/ota/publish.ts";
import { otaRotate } from "../../../cli/commands/ota/rotate.ts";
import { otaSign, review } from "../../../cli/commands/ota/sign.ts";
import { otaStatus } from "../../../cli/commands/ota/status.ts";
import { otaVerify } from "../../../cli/commands/ota/verify.ts";
import { type Command, parseInput } from "../../../cli/terminal/command.ts";
import { openRepository } from "../../../ota/repository/folder.ts";
import { publishImage } from "../../../ota/repository/publish.ts";
import { silentProgress } from "../../../system/progress.ts";
import { serve } from "../../ota/repository/device.ts";
import { lacksImages, makeReleaseImage, noise } from "../../ota/repository/image.ts";

const test = everywhere.skipIf(lacksImages());
let home: string;
let ota: string;
const images: string[] = [];

/** What the command printed, its notes apart. */
async function run(command: Command, ...argv: string[]): Promise<{ out: string; notes: string }> {
  const { code, ...said } = await runFor(command, ...argv);
  expect(code).toBe(0);
  return said;
}
async function runFor(command: Command, ...argv: string[]) {
  const [out, notes]: [string[], string[]] = [[], []];
  const context = {
    print: (...lines: string[]) => out.push(...lines),
    note: (line: string) => notes.push(line),
    progress: silentProgress,
  };
  const withPassphrase = command.options?.["passphrase-file"] ? ["--passphrase-file", join(home, "passphrase")] : [];
  const code = await command.run(parseInput(command, [...argv, ...withPassphrase], {}), context);
  return { code, out: out.join("\n"), notes: notes.join("\n") };
}
const on = (...argv: string[]) => [...argv, "--folder", ota];

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "hamlet-ota-commands-"));
  ota = join(home, "ota");
  await writeFile(join(home, "passphrase"), "correct horse\n");
  if (lacksImages()) return;
  const { out, notes } = await run(otaInit, ota);
  const root = join(ota, "repository/metadata/1.root.json");
  expect(out).toContain(`--release-root ${root}`);
  expect(notes).toContain("keep a copy");
  const releaseRoot = await readFile(root);
  for (const version of ["0.1.0", "0.2.0-rc1"]) {
    const folder = join(home, version);
    await mkdir(folder);
    images.push(await makeReleaseImage(folder, { version, releaseRoot, files: { version, own: noise(50_000, 9) } }));
  }
});
afterAll(() => rm(home, { recursive: true, force: true }));

test("images are published with the size of each update, and what a version means is said", async () => {
  const first = await run(otaPublish, ...on(images[0]!));
  expect(first.out).toMatch(/^published nuc 0\.1\.0\n {2}from any other: \d+\.\d+ MB$/);
  const waits = await run(otaStatus, ...on());
  expect(waits.out).toContain("without an operator: waits until somebody asks for it");
  const second = await run(otaPublish, ...on(images[1]!, "--rollout", "auto"));
  const course = "waves canary, 100 %; soak 12 h; success 95 %; stops at failure 1; 1 away at most";
  const hours = "only 02:00-05:00 of a device that has a time zone";
  expect(second.out).toContain(`homes without an operator take it by themselves: ${course}; ${hours}`);
  expect(second.out).toMatch(/published nuc 0\.2\.0-rc1\n {2}from 0\.1\.0: 0\.\d+ MB\n {2}from any other/);
  expect(second.notes).toContain("0.2.0-rc1 sorts after 0.2.0");
  const status = await run(otaStatus, ...on());
  expect(status.out).toMatch(/timestamp +3 +\d{4}-\d\d-\d\d +1[34] days left +here/);
  expect(status.out).toContain(`nuc: 0.2.0-rc1, 2 release(s)\n  without an operator: ${course}; ${hours}`);
  const { boards } = JSON.parse((await run(otaStatus, ...on("--json"))).out);
  expect(boards.find(({ board }: { board: string }) => board === "nuc").rollout).toEqual({
    ...{ kind: "auto", waves: ["canary", 100], soakSeconds: 43_200, successPercent: 95, maxFailures: 1 },
    window: "02:00-05:00",
  });
  expect(status.notes).toBe("");
});

test("what devices run already is published before the first newer release, and nothing else is", async () => {
  const folder = join(home, "running");
  await run(otaInit, folder);
  const releaseRoot = await readFile(join(folder, "repository/metadata/1.root.json"));
  const imageOf = async (version: string, root = releaseRoot) => {
    const at = await mkdtemp(join(home, "image-"));
    return await makeReleaseImage(at, { version, releaseRoot: root, files: { version, own: noise(50_000, 9) } });
  };
  const [first, next, later] = [await imageOf("0.1.0"), await imageOf("0.2.0"), await imageOf("0.3.0")];
  const repository = await openRepository(folder, "correct horse");
  const options = { now: Date.now() };
  const before = async (running: string[], wanted: string) =>
    (await publishRunning(repository, new Set(running), [wanted], options)).map(({ version }) => version);
  const foreign = await imageOf("0.1.0", await readFile(join(ota, "repository/metadata/1.root.json")));
  expect(await before([foreign], next)).toEqual([]);
  expect(await before([next], next)).toEqual([]);
  expect(await before([later], next)).toEqual([]);
  expect(await before([first, foreign], next)).toEqual(["0.1.0"]);
  expect(await before([first], next)).toEqual([]);
  const { releases } = await publishImage(repository, next, options);
  expect(releases[0]?.updates.map(({ from }) => from)).toEqual(["0.1.0", undefined]);
});

test("a repository is signed, cleaned, and verified here and on its web server", async () => {
  expect((await run(otaSign, ...on())).out).toBe("signed timestamp");
  expect(JSON.parse((await run(otaStatus, ...on("--json"))).out).staged).toEqual([]);
  expect((await run(otaGc, ...on("--dry-run"))).out).toMatch(/^would remove \d+ file\(s\)/);
  expect((await run(otaGc, ...on())).out).toMatch(/^removed \d+ file\(s\)/);
  expect((await run(otaVerify, ...on())).out).toBe(`${ota} is whole`);
  const whole = { checked: ota, isWhole: true, troubles: [] };
  expect(JSON.parse((await run(otaVerify, ...on("--json"))).out)).toEqual(whole);
  const web = await serve(join(ota, "repository"));
  expect((await run(otaVerify, ...on("--remote", web.url))).out).toBe(`${web.url} is whole`);
  const packs = join(ota, "repository/packs");
  const [pack] = await readdir(packs);
  await unlink(join(packs, pack!));
  const damaged = expect.objectContaining({ code: "ota.damaged", exitCode: 1 });
  for (const argv of [on(), on("--remote", web.url)]) await expect(run(otaVerify, ...argv)).rejects.toThrow(damaged);
  await web.close();
});

test("signing says what it signed, what waits, and by its exit code that it could do nothing", async () => {
  const elsewhere = join(home, "elsewhere");
  const only = async (...names: string[]) => {
    await cp(join(ota, "keys"), elsewhere, { recursive: true });
    for (const name of await readdir(elsewhere)) {
      if (!names.includes(name.slice(0, -".key".length))) await rm(join(ota, "keys", name), { force: true });
    }
    for (const name of names) await cp(join(elsewhere, `${name}.key`), join(ota, "keys", `${name}.key`));
  };
  const folder = join(home, "0.3.0");
  await mkdir(folder);
  const releaseRoot = await readFile(join(ota, "repository/metadata/1.root.json"));
  const image = await makeReleaseImage(folder, { version: "0.3.0", releaseRoot, files: { own: noise(50_000, 9) } });
  await only("snapshot", "timestamp");
  await run(otaPublish, ...on(image));
  const waits = await run(otaSign, ...on());
  expect(waits.out).toBe("signed timestamp");
  expect(waits.notes).toContain("nuc needs 1 more signature(s)");
  await only("nuc");
  // Nobody can be asked here.
  const unseen = await runFor(otaSign, ...on());
  expect(unseen).toMatchObject({ code: 1, out: "", notes: expect.stringContaining("nuc.json adds 0.3.0, whose") });
  expect(unseen.notes).toContain("there is no terminal to ask on");
  expect((await run(otaStatus, ...on())).notes).toContain("staged: nuc.json makes 0.3.0 the newest");
  // No flag signs whatever happens to be there: a script names what somebody has looked at.
  const digest = /--reviewed ([0-9a-f]{64})$/m.exec(unseen.notes)?.[1] ?? "";
  expect(await runFor(otaSign, ...on("--reviewed", "0".repeat(64)))).toMatchObject({ code: 1, out: "" });
  expect((await run(otaSign, ...on("--reviewed", digest))).out).toBe("added a signature to nuc");
  const again = await runFor(otaSign, ...on());
  expect(again).toMatchObject({ code: 1, out: "", notes: expect.stringContaining("nothing was signed") });
  await only("nuc", "snapshot", "timestamp");
  expect((await run(otaSign, ...on())).out).toBe("signed nuc, timestamp");
  await cp(elsewhere, join(ota, "keys"), { recursive: true });
});

test("what was not made here is signed after the word yes alone, and nothing to look at is no question", async () => {
  const waiting = [{ role: "root", digest: "0".repeat(64), changes: ["nuc: from now on the key 0123456789abcdef"] }];
  const notes: string[] = [];
  const asked: string[] = [];
  const answering = (answer: string) => ({
    isThere: true,
    async ask(question: string) {
      asked.push(question);
      return answer;
    },
  });
  const note = (line: string) => notes.push(line);
  expect(await review(waiting, {}, note, answering("yes"))).toEqual(new Set(["0".repeat(64)]));
  expect(notes.join("\n")).toContain("root.json nuc: from now on the key 0123456789abcdef");
  await expect(review(waiting, {}, note, answering("y"))).rejects.toMatchObject({ code: "answer.no", exitCode: 3 });
  expect(asked).toHaveLength(2);
  expect(await review([], {}, note, answering("no"))).toEqual(new Set());
  expect(asked).toHaveLength(2);
});

test("a key is replaced, and one that is elsewhere is named", async () => {
  expect((await run(otaRotate, ...on("nuc"))).out).toBe("replaced the key nuc");
  const replaced = JSON.parse((await run(otaRotate, ...on("nuc", "--json"))).out);
  expect(replaced).toMatchObject({ key: "nuc", isReplaced: true, lacking: [] });
  await unlink(join(ota, "keys/root-1.key"));
  await unlink(join(ota, "keys/root-2.key"));
  const { out, notes } = await run(otaRotate, ...on("timestamp"));
  expect(out).toContain("the old one stays until all is signed");
  expect(notes).toContain("root needs 1 more signature(s)");
  expect((await run(otaStatus, ...on())).notes).toContain("root waits for 1 signature(s)");
});

test("a release is copied to a stick", async () => {
  const stick = join(home, "stick");
  const { out } = await run(otaExport, ...on("0.1.0", "--board", "nuc", "-o", stick));
  expect(out).toMatch(/^copied nuc 0\.1\.0 to .*stick: \d+ files$/);
  expect(await readdir(stick)).toEqual(expect.arrayContaining(["metadata", "objects", "targets"]));
});

test.each<[Command, string[], string]>([
  [otaInit, [], "the folder is missing"],
  [otaPublish, ["--folder", "ota"], "the image is missing"],
  [otaPublish, ["x.img", "--folder", "https://example.org"], "--folder is the folder"],
  [otaPublish, ["x.img", "--folder", "ota", "--install-from", "1_0"], "is not a version"],
  [otaPublish, ["x.img", "--folder", "ota", "--rollout", "later"], "--rollout later is not known; it takes: auto"],
  [otaPublish, ["x.img", "--folder", "ota", "--soak", "1h"], "--soak goes with --rollout auto"],
  [otaPublish, ["x.img", "--folder", "ota", "--rollout", "auto", "--waves", "50%,10%"], "--waves 50%,10% is no list"],
  [otaPublish, ["x.img", "--folder", "ota", "--rollout", "auto", "--window", "night"], "--window night is not a time"],
  [otaExport, ["newest", "--folder", "ota", "-o", "x"], "--board is missing"],
  [otaExport, ["newest", "--folder", "ota", "--board", "nuc"], "-o <folder|file.tar> is missing"],
  [otaRotate, ["--folder", "ota"], "the key is missing"],
])("%# a command without what it needs names it", async (command, argv, message) => {
  const used = ["--folder", "ota"].every((word) => argv.includes(word));
  const there = used ? argv.map((word) => (word === "ota" ? ota : word)) : argv;
  const wrong = expect.objectContaining({
    code: "usage.invalid",
    exitCode: 2,
    message: expect.stringContaining(message),
  });
  await expect(run(command, ...there)).rejects.toThrow(wrong);
});
