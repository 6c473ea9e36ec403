import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { noticeBytes, writeNotices } from "../../../provisioning/handover/notices.ts";
import { freshReport } from "../../../provisioning/handover/report.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-notices-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("the agent writes no longer notices than root's script reads", async () => {
  const script = await readFile(join(import.meta.dirname, "../../../provisioning/firstboot/tell"), "utf8");
  const taken = [...script.matchAll(/\btake ([a-z.]+) (\d+)/g)].map(([, name, bytes]) => [name, Number(bytes)]);
  expect(Object.fromEntries(taken)).toEqual(noticeBytes);
  await writeNotices(folder, { console: "x".repeat(10_000), report: freshReport(), name: "attic" });
  expect((await readFile(join(folder, "console.txt"))).length).toBe(8192);
  expect(await readFile(join(folder, "name"), "utf8")).toBe("attic\n");
});

test("only changed notices are written, but the console's always", async () => {
  await writeNotices(folder, { console: "attic" });
  expect(await readdir(folder)).toEqual(["console.txt"]);
});
