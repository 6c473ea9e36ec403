import { expect, test } from "vitest";
import { answerCommonName } from "../../../agent/discovery/common-name.ts";

const own = ["192.168.1.7", "fe80::7"];

test("answers hamlet.local with this device's addresses on the link, of the requested type", () => {
  expect(answerCommonName([{ name: "hamlet.local", type: "A" }], own)).toEqual([
    { name: "hamlet.local", type: "A", ttl: 10, data: "192.168.1.7" },
  ]);
  expect(answerCommonName([{ name: "Hamlet.Local", type: "ANY" }], own)).toHaveLength(2);
});

test("answers no other name", () => {
  expect(answerCommonName([{ name: "attic.local", type: "A" }], own)).toEqual([]);
  expect(answerCommonName([{ name: "hamlet.local", type: "SRV" }], own)).toEqual([]);
});
