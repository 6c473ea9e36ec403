// The same lock gives the same bytes, whatever the mirror has by now. The other boards: `npm run test:long -- --cases boards`.
import { expect, test } from "vitest";
import { rebuild } from "./rebuild.ts";

test("an image rebuilt from the same packages and nothing else is the same, bit for bit, and so is its bill", async () => {
  const { first, again } = await rebuild("nuc");
  expect(again).toEqual(first);
});
