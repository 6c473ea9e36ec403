import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  maxReleaseRootBytes,
  Repositories,
  readReleaseRoot,
  releaseRootFacts,
} from "../../../provisioning/file/update-source.ts";
import { releaseRoot } from "./release-root.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-update-source-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function read(content: string | object) {
  const path = join(folder, "1.root.json");
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return readReleaseRoot(path);
}

test("a release root is read whole, with what only the updater understands", async () => {
  expect(await read(releaseRoot())).toEqual(releaseRoot());
});

test.each<[string, string | object]>([
  ["an empty file", ""],
  ["cut off", JSON.stringify(releaseRoot()).slice(0, 200)],
  ["other metadata of the repository", { ...releaseRoot(), signed: { _type: "timestamp", version: 1 } }],
  ["without keys", releaseRoot({ keys: {} })],
  ["without a signature", { ...releaseRoot(), signatures: [] }],
  ["without the role that may replace it", releaseRoot({ roles: {} as never })],
  ["longer than any root", " ".repeat(maxReleaseRootBytes + 1)],
])("%s is refused as a release root, and the hint names the right file", async (_, content) => {
  await expect(read(content)).rejects.toMatchObject({
    code: "file.invalid",
    hint: expect.stringContaining("metadata/<n>.root.json"),
  });
});

test("the digest of a release root is that of the keys that may replace it, in any order", () => {
  const root = { keyids: ["three", "one", "two"], threshold: 2 };
  const [facts, again] = [releaseRoot(), releaseRoot({ version: 2, roles: { root } })].map(releaseRootFacts);
  expect(facts).toMatchObject({ version: 1, threshold: 2, keyCount: 3, keys: expect.stringMatching(/^[0-9a-f]{64}$/) });
  expect(again?.keys).toBe(facts?.keys);
  const other = releaseRoot({ roles: { root: { keyids: ["one", "two", "four"], threshold: 2 } } });
  expect(releaseRootFacts(other).keys).not.toBe(facts?.keys);
});

test("a repository is the address of a folder on the web", () => {
  expect(Repositories.parse(["http://10.77.0.2", "https://updates.example/hamlet"])).toEqual([
    "http://10.77.0.2/",
    "https://updates.example/hamlet/",
  ]);
  const bad = ["updates.example", "ftp://updates.example/", "https://a:b@updates.example/", "https://a.example/?x", ""];
  for (const url of bad) expect(Repositories.safeParse([url]).success, url).toBe(false);
});
