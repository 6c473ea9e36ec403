import { expect, test } from "vitest";
import { bundlePage } from "../../dashboard/build.ts";

// What the device checks, and its node: modules, would double the page that each phone fetches.
test("of packages the page carries preact alone", async () => {
  const { sources } = await bundlePage();
  const packages = sources.flatMap((source) => source.match(/node_modules\/([^/]+)/)?.[1] ?? []);
  expect(new Set(packages)).toEqual(new Set(["preact"]));
  expect(sources.filter((source) => source.includes("browser-external"))).toEqual([]);
});
