import { expect, test } from "vitest";
import { Documents } from "../../../agent/cluster/documents.ts";
import { fakeStore } from "./members.ts";

test("a document longer than its kind allows is refused unread", async () => {
  const store = fakeStore();
  const documents = new Documents(store.kinds);
  expect(await documents.offer("record", `x ${"1".repeat(1_000)}`)).toBe("refused");
  expect(await documents.offer("waves", "x 1")).toBe("refused");
  expect(store.all()).toEqual([]);
});
