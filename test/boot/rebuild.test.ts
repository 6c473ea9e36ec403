// The same lock gives the same bytes, however the mirror has changed. For the other boards: `npm run test:long -- --cases boards`.
import { expect, test } from "vitest";
import { rebuild } from "./rebuild.ts";

test("rebuilding from the cached packages alone gives the same image and bill of materials, byte for byte", async () => {
  const { first, again } = await rebuild("nuc");
  expect(again).toEqual(first);
});
