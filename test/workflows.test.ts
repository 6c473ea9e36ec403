// The GitHub workflows pin their actions by commit, because a tag can be moved to other code.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { summaryLine } from "./seconds.ts";

const folder = join(import.meta.dirname, "../.github/workflows");
const workflows = readdirSync(folder).map((name) => ({ name, text: readFileSync(join(folder, name), "utf8") }));

/** The values of every `uses` anywhere in a document. */
function usesIn(node: unknown): unknown[] {
  if (typeof node !== "object" || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) => [...(key === "uses" ? [value] : []), ...usesIn(value)]);
}
const isPinned = (action: unknown): boolean => typeof action === "string" && /^[\w./-]+@[0-9a-f]{40}$/.test(action);

test.each(workflows)("$name: every action is pinned by its commit", ({ text }) => {
  const actions = usesIn(parse(text));
  expect(actions.length).toBeGreaterThan(0);
  expect(actions.filter((action) => !isPinned(action))).toEqual([]);
});

test("a tag, a branch or an abbreviated commit is not a pin", () => {
  const text = `{ jobs: { a: { steps: [{ uses: x/y@v4 }, { uses: x/y@main }, { uses: x/y@${"a".repeat(20)} }, { uses: x/y }] } } }`;
  expect(usesIn(parse(text)).map(isPinned)).toEqual([false, false, false, false]);
});

test("the tests workflow fails on a skipped test: it checks the last line of the run", () => {
  const text = workflows.find(({ name }) => name === "tests.yml")!.text;
  const patterns = [...text.matchAll(/grep -E '(.*)'/g)].map(([, pattern = ""]) => new RegExp(pattern));
  expect(patterns).toHaveLength(2);
  for (const pattern of patterns) {
    expect(summaryLine([{ passed: 1303, failed: 0, skipped: 0 }])).toMatch(pattern);
    for (const counts of [{ failed: 1 }, { skipped: 1 }, { passed: 0 }]) {
      expect(summaryLine([{ passed: 10, failed: 0, skipped: 0, ...counts }])).not.toMatch(pattern);
    }
  }
});
