import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readConfig } from "../../agent/config.ts";
import { parseImageJson } from "../../image/assemble/image-json.ts";
import { readBundle } from "../../image/bundle/bundle.ts";
import { readLock } from "../../image/bundle/lock/lock.ts";
import { npmPackages } from "../../image/bundle/sbom/npm.ts";
import { publishImages } from "../../image/publish/publish.ts";
import { decodeProvisionFile } from "../../provisioning/file/provision-file.ts";
import { readTokenFile } from "../../provisioning/neighborhood/issue-token.ts";
import { openKey, readNeighborhood } from "../../provisioning/neighborhood/neighborhood.ts";
import { run } from "../../system/command.ts";
import { parseJsonBytes, readJsonFile, readTextFile } from "../../system/json-file.ts";
import { silentProgress } from "../../system/progress.ts";
import { decodeText, placeOf } from "../../system/text.ts";
import { lacks } from "../lacks.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-json-"));
  await mkdir(join(folder, "image/bundle/lock"), { recursive: true });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const utf16 = (text: string, { isBig = false, hasMark = false } = {}): Buffer => {
  const bytes = Buffer.from(`${hasMark ? "\ufeff" : ""}${text}`, "utf16le");
  return isBig ? bytes.swap16() : bytes;
};
const slips: [what: string, content: string | Buffer, told: RegExp][] = [
  ["a comma too many", '{\n  "v": 1,\n}\n', /is not JSON: line 3, column 1: unexpected '}' after a trailing comma/],
  ["a comment", '{\n  // mine\n  "v": 1\n}', /is not JSON: line 2, column 3: .*no comments/],
  ["single quotes", "{'v': 1}", /is not JSON: line 1, column 2: .*quotes/],
  ["a byte order mark", '\ufeff{"v": 1}', /is not JSON: line 1, column 1: it begins with a byte order mark/],
  ["nothing", "", /is empty$/],
  ["blanks", " \r\n\t\n", /is empty$/],
  ["zeros after a power cut", Buffer.alloc(64), /contains only zero bytes$/],
  ["UTF-16 of Windows", utf16('{"v": 1}', { hasMark: true }), /is UTF-16LE text, not UTF-8/],
  ["UTF-16 without a mark", utf16('{"v": 1}', { isBig: true }), /is UTF-16BE text, not UTF-8/],
  ["Latin-1", Buffer.from('{"v": 1,\n"name": "K\xfcche"}', "latin1"), /line 2, column 11 has the byte 0xfc/],
  ["half a file", '{"v": 1, "name": "att', /is not JSON: line 1, column 18: this string has no closing "/],
];

/** Each door through which a file of JSON comes in that a person may have touched; the file's name must be in what it says. */
const doors: [code: string, file: string, read: () => Promise<unknown>][] = [
  ["config.invalid", "agent.json", () => readConfig(join(folder, "agent.json"))],
  ["file.invalid", "any.json", () => readJsonFile(join(folder, "any.json"))],
  ["file.invalid", "token.json", () => readTokenFile(join(folder, "token.json"))],
  ["file.invalid", "neighborhood.json", () => readNeighborhood(folder)],
  ["file.invalid", "root.key", () => openKey(folder, "root", "passphrase")],
  ["file.invalid", "images.json", () => publishImages([], folder, { url: "https://x/", isReplacing: false }, tools)],
  ["file.invalid", "package-lock.json", () => npmPackages([], folder)],
  ["lock.invalid", "image/bundle/lock/amd64.json", () => readLock(folder, "amd64")],
  ["bundle.invalid", "bundle.json", () => readBundle(folder)],
  ["image.notOurs", "image.json", async () => parseImageJson(await readFile(join(folder, "image.json")), "a card")],
  [
    "provision.invalid",
    "provision file",
    async () => decodeProvisionFile(await readFile(join(folder, "provision file"))),
  ],
];
const tools = { run, signal: new AbortController().signal, progress: silentProgress };

const told = (error: unknown): string =>
  error instanceof Error
    ? `${error.message} ${error.cause === undefined ? "" : told(error.cause)}`.trim()
    : String(error);

test.each(doors)("config-syntax: %s for a slip in %s tells the file, where, and what", async (code, file, read) => {
  for (const [what, content, pattern] of slips) {
    await writeFile(join(folder, file), content);
    const error = await read().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    // A provision block of zeros is one that holds nothing yet.
    if (code === "provision.invalid" && /nothing|zeros/.test(what)) {
      expect(told(error)).toContain("is not provisioned");
      continue;
    }
    expect([what, error]).toEqual([what, expect.objectContaining({ code, hint: expect.any(String) })]);
    expect(told(error)).toMatch(pattern);
    expect(told(error)).toContain(file);
  }
  await rm(join(folder, file));
});

test("config-syntax: a folder, a file that is not there and one that may not be read are told apart", async () => {
  await mkdir(join(folder, "folder.json"));
  const folderTold = { message: expect.stringContaining("folder.json is a folder"), hint: "name a file in it" };
  await expect(readConfig(join(folder, "folder.json"))).rejects.toMatchObject({
    code: "config.invalid",
    ...folderTold,
  });
  await expect(readTextFile(join(folder, "folder.json"))).rejects.toMatchObject({
    code: "file.unreadable",
    ...folderTold,
  });
  await expect(readTextFile(join(folder, "none"))).rejects.toThrow("none does not exist");
  await expect(readTextFile(join(folder, "none/x"))).rejects.toThrow("x does not exist");
  expect(await readJsonFile(join(folder, "none"))).toBeUndefined();
});

test("config-syntax: a file without an end does not fill memory, and a pipe is read to its end", async () => {
  await expect(readJsonFile("/dev/zero")).rejects.toMatchObject({
    code: "file.invalid",
    message: expect.stringContaining("more than 64 MB"),
  });
  const pipe = join(folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  const [read] = await Promise.all([readTextFile(pipe), writeFile(pipe, "from a pipe")]);
  expect(read).toBe("from a pipe");
});

test.skipIf(lacks("root", "setpriv"))("config-syntax: who may not read a file hears that", async () => {
  const path = join(folder, "secret.json");
  await writeFile(path, "{}", { mode: 0o600 });
  const source = `import { readJsonFile } from ${JSON.stringify(join(import.meta.dirname, "../../system/json-file.ts"))};
    await readJsonFile("/proc/1/environ").catch((error) => console.log(error.code, error.message));`;
  const argv = ["--reuid=65534", "--clear-groups", process.execPath, "--input-type=module", "-e", source];
  expect(execFileSync("setpriv", argv).toString()).toBe(
    "file.unreadable /proc/1/environ is not readable by this user\n",
  );
});

test("config-syntax: of two settings with one name neither is dropped without a word", async () => {
  await writeFile(join(folder, "twice.json"), '{"mesh": {"mtu": 1400},\n "mesh": {"listenPort": 4000}}');
  await expect(readConfig(join(folder, "twice.json"))).rejects.toThrow(
    "twice.json is ambiguous: line 2, column 2: this name appears twice in one object",
  );
});

test("config-syntax: text comes back as it was, whatever it holds, and never half of what is no text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      fc.pre(!text.startsWith("\ufeff") && !text.includes("\0") && text.isWellFormed());
      expect(decodeText(Buffer.from(text))).toEqual({ text, hasMark: false });
      expect(decodeText(Buffer.from(`\ufeff${text}`))).toEqual({ text, hasMark: true });
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const decoded = decodeText(bytes);
      if ("text" in decoded) {
        expect(Buffer.from(`${decoded.hasMark ? "\ufeff" : ""}${decoded.text}`).equals(bytes)).toBe(true);
      } else expect(decoded.trouble).toMatch(/^(is UTF-16|is not UTF-8 text: line \d+, column \d+ has|contains only)/);
      expect(parseJsonBytes(bytes)).toSatisfy((read: object) => "json" in read || "trouble" in read);
    }),
  );
  expect(placeOf("a\r\nb\rÄ𝒳x", 8)).toBe("line 3, column 3");
});
