// The README's picture of the page. `npm run picture` makes it anew, in a browser.
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";

const root = new URL("../../", import.meta.url);

test("the README shows the page as a picture of less than 100 kB", async () => {
  const picture = await readFile(new URL("dashboard/page/picture.webp", root));
  expect(picture.subarray(8, 12).toString()).toBe("WEBP");
  expect(picture.length).toBeLessThan(100_000);
  expect(await readFile(new URL("README.md", root), "utf8")).toMatch(/!\[.+\]\(dashboard\/page\/picture\.webp\)/);
});
