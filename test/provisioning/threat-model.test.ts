import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

const folder = join(import.meta.dirname, "../../provisioning");
const text = await readFile(join(folder, "README.md"), "utf8");
const [, model = ""] = /\n## What an attacker can and cannot do\n([\s\S]*?)\n## /.exec(text) ?? [];
const sections = model.split(/^### /m).slice(1);
const shown = /\[([^\]]+)\]\((\.\.\/test\/[^)]+\.test\.ts)\)$/;

test.each([
  "A stolen card",
  "A hostile member",
  "An old token",
  "A former root",
  "A former operator",
  "The agent's user",
  "Whoever can write to the publisher's folder",
  "A local process",
  "A stranger on the link",
  "A phone behind a gateway",
])("the threat model says what %s can and cannot do, or that it is not built", (who) => {
  const section = sections.find((one) => one.startsWith(who))!;
  expect(section).toBeDefined();
  if (!section.includes("Not built:")) expect(section).toMatch(/^- Cannot /m);
});

const lines = model.split("\n").filter((line) => line.startsWith("- "));

test.each(lines)("a test of that title shows: %s", async (line) => {
  const [, title = "", path = ""] = shown.exec(line) ?? [];
  expect(line).toMatch(shown);
  expect(line).toMatch(/^- (Can|Cannot)\b/);
  expect(await readFile(join(folder, path), "utf8")).toContain(title);
});
