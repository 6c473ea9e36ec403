// Of a Raspberry Pi: `npm run test:long -- --cases boards/closed`.
import { test } from "vitest";
import { proveClosed } from "./closed.ts";

test("a machine without the lab's port comes up, and whoever types on its console gets no shell", () =>
  proveClosed("nuc"));
