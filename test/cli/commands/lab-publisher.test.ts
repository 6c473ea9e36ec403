// The lab's own publisher in a state folder of its own: its keys, and what commands take from it.
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { keptPublisher, labPublisher } from "../../../cli/commands/lab/publisher.ts";
import { otaPublish } from "../../../cli/commands/ota/publish.ts";
import { open } from "../../../cli/commands/ota/repository.ts";
import { documentsOf, expiryOf } from "../../../ota/repository/expiry.ts";
import { readPublished } from "../../../ota/repository/folder.ts";
import { allKeys } from "../../../ota/repository/roles.ts";
import { readReleaseRoot } from "../../../provisioning/file/update-source.ts";

let state = "";
const before = process.env["XDG_STATE_HOME"];
beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), "hamlet-publisher-"));
  process.env["XDG_STATE_HOME"] = state;
});
afterEach(async () => {
  if (before === undefined) delete process.env["XDG_STATE_HOME"];
  else process.env["XDG_STATE_HOME"] = before;
  await rm(state, { recursive: true });
});

test("two labs that start at once share one publisher, which stays for the next", async () => {
  expect(keptPublisher()).toBeUndefined();
  const [one, other] = await Promise.all([labPublisher(), labPublisher()]);
  expect(other).toEqual(one);
  const root = await readFile(one.updates.releaseRoot);
  expect(await labPublisher()).toEqual(one);
  expect((await readFile(one.updates.releaseRoot)).equals(root)).toBe(true);
  expect(keptPublisher()).toEqual(one);
  expect((await readdir(join(state, "hamlet"))).sort()).toEqual(["ota", "ota.passphrase"]);
});

test("images trust its release root and get updates from the lab's web; only its owner reads the passphrase", async () => {
  const { updates, served, passphraseFile } = await labPublisher();
  expect(updates.repository).toBe("http://10.77.0.2/");
  expect((await readReleaseRoot(updates.releaseRoot)).signed._type).toBe("root");
  expect(updates.releaseRoot).toBe(join(served, "metadata/1.root.json"));
  expect((await stat(passphraseFile)).mode & 0o777).toBe(0o600);
});

test("ota commands without --folder work on it once a lab was started, and need no passphrase", async () => {
  await expect(open(otaPublish, {})).rejects.toMatchObject({ code: "usage.invalid" });
  const { folder } = await labPublisher();
  const { keys, ...opened } = await open(otaPublish, {});
  expect([opened.folder, keys.length]).toEqual([folder, allKeys().length]);
});

test("a lab that starts months later renews what is old, under the same release root", async () => {
  const { folder, updates } = await labPublisher();
  const root = await readFile(updates.releaseRoot);
  const later = Date.now() + 200 * 86_400_000;
  const states = async () => {
    const documents = documentsOf(await readPublished(folder));
    return new Set([...documents].map(([role, document]) => expiryOf(role, document, later).state));
  };
  expect(await states()).toContain("expired");
  expect((await labPublisher(later)).updates).toEqual(updates);
  expect(await states()).toEqual(new Set(["fresh"]));
  expect((await readFile(updates.releaseRoot)).equals(root)).toBe(true);
});

test("a lab starts beside a damaged repository", async () => {
  const { served } = await labPublisher();
  await rm(join(served, "metadata/timestamp.json"));
  expect((await labPublisher()).served).toBe(served);
});
