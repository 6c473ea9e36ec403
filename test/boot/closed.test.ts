// For the other boards: `npm run test:long -- --cases boards/closed`.
import { test } from "vitest";
import { proveClosed } from "./closed.ts";

test("a machine without the lab's port starts and offers no shell on its console", () => proveClosed("nuc"));
