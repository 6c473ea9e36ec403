import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { documents } from "../../../cli/package/documents.ts";
import { packageFolder } from "../../../system/package.ts";

test.each(await documents())("%s is up to date", async (path, text) => {
  expect(await readFile(join(packageFolder, path), "utf8"), "run: npm run docs").toBe(text);
});
